/* fault.c - the list of points, and the one that the environment chose. */
#include "base/fault.h"

#ifdef BRAID_FAULT_POINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_text.h"
#include "base/status.h"

const char *const fault_names[] = {
    "transaction_begun",
    "outputs_sent",
    "seals_sent",
    "changeset_closed",
    "absorbed_ahead",
    "offsets_sent",
    "outputs_appended",
    "log_appended",
    "dead_letters_appended",
    "files_synced",
    "commit_file_written",
    "commit_file_renamed",
    "committed",
    "store_committed",
    "commit_finished",
    "snapshots_written",
    "store_flushed",
    "log_rewritten",
    "log_switched",
    "generation_trained",
    "generation_sealed",
    "item_vector_sent",
    "item_vectors_published",
    "chunk_sent",
    "manifest_sent",
    "generation_published",
    "generation_completed",
    "generation_adopted",
    "sweep_folded",
    "sweep_committed",
    "expiry_marked",
    "expiry_committed",
    "erase_requested",
    "erase_output_cleared",
    "erase_log_written",
    "erase_store_deleted",
    "erase_receipts_written",
    "erasure_taken",
    "erasure_found",
    "erasure_committed",
    "erasure_purged",
    "copy_claimed",
    "seed_sorted",
    "seed_claimed",
    "lone_begun",
    "lone_sent",
    "lone_offsets_sent",
    "lone_committed",
    "seed_sealing",
    "seed_sealed",
    "replay_publishes",
    NULL,
};

static char chosen[64]; /* empty: none */
static atomic_long passes_left;
static pthread_once_t choose_once = PTHREAD_ONCE_INIT;

static int is_point(const char *name)
{
    const char *const *at = fault_names;
    while (*at && strcmp(*at, name) != 0) {
        at++;
    }
    return *at != NULL;
}

/* BRAID_FAULT=name or name:count. A name that is no point would test nothing: refuse to start. */
static void choose_point(void)
{
    const char *text = getenv("BRAID_FAULT");
    if (!text || !*text) return;
    size_t size = strcspn(text, ":");
    REQUIRE(size < sizeof chosen);
    memcpy(chosen, text, size);
    REQUIRE(is_point(chosen));
    int64_t count = 1;
    REQUIRE(!text[size] || parse_signed(bytes_of(text + size + 1), &count));
    atomic_store(&passes_left, count);
}

void fault_point(const char *name)
{
    pthread_once(&choose_once, choose_point);
    if (!*chosen || strcmp(chosen, name) != 0) return;
    if (atomic_fetch_sub(&passes_left, 1) == 1) raise(SIGKILL);
}

#else

const char *const fault_names[] = {NULL};

#endif
