// Boost.URL has a compiled half, which Debian keeps in a package of its own: compiled here instead.
#include <boost/url/src.hpp>
