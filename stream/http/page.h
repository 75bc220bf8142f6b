/* page.h - the page for people, as CMake makes it out of page.html. */
#ifndef STREAM_HTTP_PAGE_H
#define STREAM_HTTP_PAGE_H

#include <stddef.h>

extern const unsigned char page[];
extern const size_t page_size;

#endif
