/*
 * event_time.h - the time of an event as it is written.
 */
#ifndef STREAM_SOURCE_EVENT_TIME_H
#define STREAM_SOURCE_EVENT_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "config/config.h"

/*
 * Reads a time in the configured unit into milliseconds since 1970: a number however it is written,
 * or ISO 8601 (iso8601_parse). Spaces around it are passed over. False if it is none.
 */
bool event_time_parse(struct bytes text, enum config_time unit, int64_t *msp);

#endif
