// Runs in the page: what a person could not read, reach or understand. An empty list is good.
export function audit() {
  const found = [];
  const visible = (each) => each.checkVisibility() && each.getClientRects().length > 0;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(visible);

  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
  for (const each of all('main *')) {
    const style = getComputedStyle(each);
    if (/auto|scroll/.test(style.overflowX + style.overflowY)) found.push(`an inner scroller: ${each.tagName}`);
    if (/sticky|fixed/.test(style.position)) found.push(`floats above the text: ${each.tagName}`);
    if (each.scrollHeight > each.clientHeight + 1 && style.overflowY === 'clip' && style.display !== 'inline')
      found.push(`cut off: ${each.textContent.slice(0, 40)}`);
  }

  if (root.lang !== 'en') found.push('no language');
  if (!document.title) found.push('no title');
  if (all('h1').length !== 1) found.push('not one main heading');
  if (all('main').length !== 1) found.push('not one main landmark');
  for (const section of all('section, form')) {
    const heading = document.getElementById(section.getAttribute('aria-labelledby'));
    if (!heading || !heading.textContent) found.push(`a section without a name: ${section.textContent.slice(0, 40)}`);
  }
  for (const control of all('button, input, a, select, textarea')) {
    const label = control.textContent.trim() || control.labels?.[0]?.textContent.trim();
    if (!label) found.push(`a control without a name: ${control.outerHTML.slice(0, 60)}`);
    const target = control.labels?.[0] ?? control;
    const box = target.getBoundingClientRect();
    if (box.height < 44 || box.width < 44) found.push(`a small target: ${label} ${box.width}x${box.height}`);
  }
  if (document.querySelector('[tabindex]:not([tabindex="-1"]):not([tabindex="0"])')) found.push('an order of its own');
  const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
  if (new Set(ids).size !== ids.length) found.push('an id that stands twice');

  // WCAG 2.2 section 1.4.3.
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$|transparent/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const each of all('body *')) {
    const own = [...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own) continue;
    const style = getComputedStyle(each);
    const [light, dark] = [luminance(style.color), luminance(behind(each))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${each.textContent.slice(0, 40)}`);
    if (parseFloat(style.fontSize) < 12) found.push(`small print: ${each.textContent.slice(0, 40)}`);
  }
  return found;
}
