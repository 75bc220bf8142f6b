/* bare_json.cc - five look-ups of simdjson's on-demand reader. */
#include "bench/bare_json.h"

#include <simdjson.h>

#include <new>

using namespace simdjson;

struct bare_json {
    ondemand::parser parser;
};

struct bare_json *bare_json_open(size_t size_max)
{
    bare_json *bare = new (std::nothrow) bare_json;
    if (bare && bare->parser.allocate(size_max) != SUCCESS) {
        delete bare;
        bare = nullptr;
    }
    return bare;
}

void bare_json_close(struct bare_json *bare)
{
    delete bare;
}

bool bare_json_read(struct bare_json *bare, const char *line, size_t size, uint64_t *sum)
{
    ondemand::document document;
    ondemand::object event;
    std::string_view user, item, action, category;
    int64_t time;
    if (bare->parser.iterate(line, size, size + SIMDJSON_PADDING).get(document) ||
        document.get_object().get(event) || event["user"].get_string().get(user) ||
        event["item"].get_string().get(item) || event["time"].get_int64().get(time) ||
        event["action"].get_string().get(action) || event["category"].get_string().get(category)) {
        return false;
    }
    *sum +=
        user.size() + item.size() + static_cast<uint64_t>(time) + action.size() + category.size();
    return true;
}
