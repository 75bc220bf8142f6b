/*
 * event_foreign.h - what bytes are that are no event: known formats by their first bytes.
 */
#ifndef STREAM_SOURCE_EVENT_FOREIGN_H
#define STREAM_SOURCE_EVENT_FOREIGN_H

#include "base/bytes.h"

/* "a Parquet file", "text in UTF-16", ...; NULL if it is nothing known. A constant text. */
const char *event_foreign(struct bytes raw);

#endif
