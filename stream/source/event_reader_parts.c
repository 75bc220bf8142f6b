/* event_reader_parts.c - the files of the sequence. */
#include "stream/source/event_reader_parts.h"

#include <string.h>

enum status event_reader_add_part(struct event_reader *reader, const struct source_file *file,
                                  const struct source_entry *entry, bool profiles,
                                  struct error *error)
{
    struct part *part = &reader->parts[reader->parts_count++];
    *part = (struct part){.size = 0};
    if (file) part->file = *file;
    part->file.profiles = profiles;
    if (entry) {
        part->path = strdup(entry->path);
        part->size = entry->size;
        part->device = entry->device;
        part->inode = entry->inode;
        part->modified_ns = entry->modified_ns;
    }
    part->file.name = strdup(entry ? entry->name : file->name);
    if (part->file.name && (part->path || !entry)) return STATUS_OK;
    return error_set(error, STATUS_IO, "out of memory: names of files");
}
