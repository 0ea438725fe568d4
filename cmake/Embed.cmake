# cmake -D OUT=FILE -D FOLDER=FOLDER -D NAMES=a,b -P Embed.cmake: writes the C++ source that holds these files of the
# consent service's pages (proxy/consent/page.h).
string(REPLACE "," ";" NAMES "${NAMES}")
set(arrays "")
set(rows "")
set(count 0)
foreach(name ${NAMES})
  file(READ ${FOLDER}/${name} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char kFile${count}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", {kFile${count}, sizeof(kFile${count})}},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT} "#include \"proxy/consent/page.h\"

namespace mandated::consent {

namespace {

${arrays}
constexpr PageFile kFiles[] = {
${rows}};

}  // namespace

std::span<const PageFile> page_files() { return kFiles; }

}  // namespace mandated::consent
")
