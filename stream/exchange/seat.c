/* seat.c - who takes the seat of the one who trains, and with which generation a group begins. */
#include "model/model_dir.h"
#include "stream/exchange/exchange_state.h"

/* A group without a generation begins with the newest of this directory, if that has one. */
static enum status publish_first(struct exchange *exchange, struct error *error)
{
    const char *dir = exchange->config->model.dir;
    struct model_dir_list list;
    uint64_t number = 0;
    TRY(model_dir_list_open(&list, dir, error));
    for (uint32_t i = list.count; i-- > 0 && !number;) {
        char path[MODEL_DIR_PATH_MAX];
        if (model_dir_path(dir, list.numbers[i], path, error) == STATUS_OK &&
            list.numbers[i] > exchange->table->highest &&
            model_dir_is_whole(path, list.numbers[i])) {
            number = list.numbers[i];
        }
    }
    model_dir_list_close(&list);
    return number ? exchange_publish(exchange, number, error) : STATUS_OK;
}

enum status exchange_take_seat(struct exchange *exchange, struct error *error)
{
    uint64_t newest;
    if (!exchange->ops) return STATUS_OK;
    TRY(exchange->ops->take_seat(exchange->log, error));
    enum status status = exchange_sync(exchange, &newest, error);
    if (status == STATUS_OK && !newest) status = publish_first(exchange, error);
    if (status != STATUS_OK) exchange_leave_seat(exchange);
    return status;
}

void exchange_leave_seat(struct exchange *exchange)
{
    if (exchange->ops) exchange->ops->leave_seat(exchange->log);
}
