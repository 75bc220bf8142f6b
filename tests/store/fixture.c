/* fixture.c - a store in a directory of its own. */
#include "tests/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

const struct store_identity fixture_identity = {.source = 0xABC, .partition = 3, .partitions = 8};
const struct store_options fixture_options = {
    .memtable_size = 16 << 20, /* 2 MiB for each of 8 partitions: tests flush often */
    .block_cache_size = 4 << 20,
};

static void open_store(struct fixture *of)
{
    struct error error;
    if (of->ops->open(&of->store, of->path, &fixture_identity, &fixture_options, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

void fixture_open(struct fixture *of, const struct store_ops *ops)
{
    *of = (struct fixture){.ops = ops, .dir = "/tmp/braid-store-XXXXXX"};
    assert_non_null(mkdtemp(of->dir));
    snprintf(of->path, sizeof of->path, "%s/3", of->dir);
    open_store(of);
}

void fixture_reopen(struct fixture *of)
{
    of->ops->close(of->store);
    open_store(of);
}

void fixture_close(struct fixture *of)
{
    of->ops->close(of->store);
    assert_int_equal(of->ops->destroy(of->path, NULL), STATUS_OK);
    assert_int_equal(rmdir(of->dir), 0);
}

void fixture_commit(struct fixture *of, const struct store_write *writes, size_t count,
                    int64_t next)
{
    struct store_position position = {.log = 1, .next = next, .seal = 2, .written_ms = 3};
    assert_int_equal(of->ops->commit(of->store, writes, count, &position, NULL), STATUS_OK);
}

static void copy_value(void *context, size_t index, struct bytes value)
{
    char *to = context;
    assert_int_equal(index, 0);
    assert_true(value.size < 256);
    memcpy(to, value.at, value.size);
    to[value.size] = 0;
}

void fixture_value(struct fixture *of, enum store_space space, struct store_key key,
                   char value[256])
{
    char looked[256] = "-";
    memcpy(value, "-", 2);
    assert_int_equal(of->ops->get(of->store, space, &key, 1, copy_value, value, NULL), STATUS_OK);
    assert_int_equal(of->ops->look(of->store, space, &key, copy_value, looked, NULL), STATUS_OK);
    assert_string_equal(looked, value);
}

struct fixture fixture;

int fixture_setup_rocksdb(void **state)
{
    (void)state;
    fixture_open(&fixture, &store_rocksdb);
    return 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}
