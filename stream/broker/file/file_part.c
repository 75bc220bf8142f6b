/* file_part.c - see file_part.h. */
#include "stream/broker/file/file_part.h"

bool file_part_reaches(const struct bound *bound, const struct event *event)
{
    if (bound->kind == BOUND_OFFSET) return event->offset >= bound->value;
    return bound->kind == BOUND_TIME && event->verdict == EVENT_ACCEPTED &&
           event->time_ms >= bound->value;
}

void file_part_take(struct file_part *part, const struct event *event, double bytes)
{
    if (!part->begun) {
        part->begun = true;
        part->bytes = bytes;
        part->first = event->offset;
    }
    part->next = event->offset + 1;
    if (event->verdict != EVENT_ACCEPTED) return;
    if (part->first_ms == 0) part->first_ms = event->time_ms;
    if (event->time_ms > part->last_ms) part->last_ms = event->time_ms;
}

static bool is_place(const struct bound *bound)
{
    return bound->kind == BOUND_OFFSET || bound->kind == BOUND_TIME;
}

bool file_part_is_empty(const struct file_part *part)
{
    return !part->begun && (is_place(&part->start) || is_place(&part->end));
}

static double share_of(double from, double at, double end)
{
    if (at <= from || end <= from) return 0;
    return at < end ? (at - from) / (end - from) : 1;
}

double file_part_share(const struct file_part *part, double bytes)
{
    if (part->end.kind == BOUND_NEVER) return -1;
    if (!is_place(&part->end)) return bytes;
    if (!part->begun) return 0;
    const double end = (double)part->end.value;
    const double of_bytes = bytes < 0 ? 0 : share_of(part->bytes, bytes, 1);
    const double of_bound = part->end.kind == BOUND_OFFSET
                                ? share_of((double)part->first, (double)part->next, end)
                                : share_of((double)part->first_ms, (double)part->last_ms, end);
    return of_bytes > of_bound ? of_bytes : of_bound;
}
