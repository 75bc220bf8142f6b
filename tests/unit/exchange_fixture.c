/* exchange_fixture.c - two members in a temporary directory, and questions to their logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/interest_ops.h"
#include "model/model_dir.h"
#include "tests/unit/exchange_fixture.h"

char base[] = "/tmp/braid-exchange-XXXXXX";
struct member a, b;

void expect_ok(enum status status, const struct error *error)
{
    if (status != STATUS_OK) fail_msg("%s", error->text);
}

void member_open(struct member *member, const char *name)
{
    struct error error;
    config_defaults(&member->config);
    snprintf(member->dir, sizeof member->dir, "%s/%s", base, name);
    member->config.model.dir = member->dir;
    member->config.model.keep = KEEP;
    member->config.output.items_grace_ms = 0;
    expect_ok(
        exchange_open_on(&member->exchange, &member->config, &fake_generation_log, false, &error),
        &error);
}

void member_close(struct member *member)
{
    exchange_close(member->exchange);
    config_close(&member->config);
}

int exchange_set_up(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/braid-exchange-XXXXXX");
    assert_non_null(mkdtemp(base));
    fake_generation_log_reset();
    member_open(&a, "a");
    member_open(&b, "b");
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

int exchange_tear_down(void **state)
{
    (void)state;
    member_close(&a);
    member_close(&b);
    fake_generation_log_reset();
    return nftw(base, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes the next generation into a member's directory; returns its number. */
uint64_t make_generation(struct member *member, uint64_t seed)
{
    struct item_entry entries[ITEMS];
    char ids[ITEMS][8];
    struct model_dims dims = interest_ops_find("single")->defaults;
    struct item_table *items;
    struct checkpoint *checkpoint;
    struct error error;
    for (int i = 0; i < ITEMS; i++) {
        snprintf(ids[i], sizeof ids[i], "i%d", i);
        entries[i] = (struct item_entry){bytes_of(ids[i]), 0};
    }
    dims.use_category = false;
    expect_ok(item_table_open(&items, entries, ITEMS, NULL, 0, 1, &error), &error);
    expect_ok(checkpoint_init(&checkpoint, "single", &dims, items, seed, &error), &error);
    expect_ok(model_dir_write(member->dir, checkpoint, &error), &error);
    const uint64_t number = checkpoint->generation;
    checkpoint_close(checkpoint);
    return number;
}

uint64_t publish(struct member *member, uint64_t seed)
{
    struct error error;
    const uint64_t number = make_generation(member, seed);
    expect_ok(exchange_publish(member->exchange, number, &error), &error);
    return number;
}

void take_seat(struct member *member)
{
    struct error error;
    expect_ok(exchange_take_seat(member->exchange, &error), &error);
}

uint64_t synced(struct member *member)
{
    struct error error;
    uint64_t newest;
    expect_ok(exchange_sync(member->exchange, &newest, &error), &error);
    return newest;
}

void tend(struct member *member)
{
    struct error error;
    expect_ok(exchange_tend(member->exchange, &error), &error);
}

static size_t read_file(const struct member *member, uint64_t number, uint8_t *to, size_t room)
{
    char path[MODEL_DIR_PATH_MAX];
    assert_int_equal(model_dir_path(member->dir, number, path, NULL), STATUS_OK);
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    const size_t size = fread(to, 1, room, file);
    fclose(file);
    return size;
}

bool has(const struct member *member, uint64_t number)
{
    uint8_t byte;
    return read_file(member, number, &byte, 1) == 1;
}

void expect_same_file(uint64_t number)
{
    static uint8_t of_a[1 << 20], of_b[1 << 20];
    const size_t size = read_file(&a, number, of_a, sizeof of_a);
    assert_true(size > 4 * FAKE_RECORD_SIZE_MAX && size < sizeof of_a);
    assert_int_equal(read_file(&b, number, of_b, sizeof of_b), size);
    assert_memory_equal(of_a, of_b, size);
}

/* Live records of a generation in one of the logs, as a reader who keeps the newest of a key. */
uint32_t live(enum shared_log which, uint64_t generation)
{
    uint32_t count, found = 0;
    struct fake_record *records = fake_generation_log_records(&count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t of;
        bool newest = records[i].state == FAKE_COMMITTED && records[i].which == which;
        if (!newest || !item_key_decode((struct bytes){records[i].key, records[i].key_size}, &of)) {
            continue;
        }
        for (uint32_t j = i + 1; j < count && newest; j++) {
            newest = records[j].state != FAKE_COMMITTED || records[j].which != which ||
                     records[j].key_size != records[i].key_size ||
                     memcmp(records[j].key, records[i].key, records[i].key_size) != 0;
        }
        found += newest && of == generation && records[i].value;
    }
    return found;
}
