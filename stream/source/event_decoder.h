/*
 * event_decoder.h - raw bytes of a source in, a judged event out.
 *
 * The only place where bytes become a valid event. A decoder belongs to one thread.
 */
#ifndef STREAM_SOURCE_EVENT_DECODER_H
#define STREAM_SOURCE_EVENT_DECODER_H

#include "config/config.h"
#include "stream/source/event.h"

struct event_decoder;

/* Prepares decoding as the configuration says. Keeps `config`. */
MUST_CHECK enum status event_decoder_open(struct event_decoder **decoderp,
                                          const struct config *config, struct error *error);

/* The same of what source.profile says of users: EVENT_PROFILE is what is good of it. */
MUST_CHECK enum status event_decoder_open_profiles(struct event_decoder **decoderp,
                                                   const struct config *config,
                                                   struct error *error);
void event_decoder_close(struct event_decoder *decoder);

/* csv, tsv with header: the first line, before any event. STATUS_INVALID names a missing column. */
MUST_CHECK enum status event_decoder_header(struct event_decoder *decoder, struct bytes line,
                                            struct error *error);

/*
 * Decodes one raw event into `event` (verdict, action, time, ids, why); partition and offset are
 * the caller's. Ids may point into `raw` or into `scratch` (event_scratch_size of raw.size), which both must outlive the event. `raw` must be followed by EVENT_PADDING
 * readable bytes. `broker_ms` is the broker's timestamp (-1: files), against which the event's time
 * is judged.
 */
void event_decode(struct event_decoder *decoder, struct bytes raw, int64_t broker_ms, void *scratch,
                  struct event *event);

/*
 * The same of a record of a topic of profiles, whose key is the user; without one (at = NULL) the
 * value must name it. A value that is nothing says that nothing is known.
 */
void event_decode_profile(struct event_decoder *decoder, struct bytes key, struct bytes raw,
                          void *scratch, struct event *event);

#endif
