/*
 * bare_json.h - the ceiling of decoding: simdjson asked for five members, by name and in their
 * order.
 *
 * It is what the library costs by itself: nothing is kept, no other member is looked at, and what
 * follows the last one is not checked.
 */
#ifndef BENCH_BARE_JSON_H
#define BENCH_BARE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bare_json;

/* Prepares for lines of up to `size_max` bytes; NULL if there is no memory. */
struct bare_json *bare_json_open(size_t size_max);
void bare_json_close(struct bare_json *bare);

/*
 * Reads user, item, time, action and category of a line with 64 readable bytes behind it. Adds the
 * time and the sizes of the texts to *sum, so that no reading can be left out. False if one is
 * missing.
 */
bool bare_json_read(struct bare_json *bare, const char *line, size_t size, uint64_t *sum);

#ifdef __cplusplus
}
#endif

#endif
