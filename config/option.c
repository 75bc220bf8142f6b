/* option.c - finding a row of the table, and carrying values between text and struct config. */
#include "config/option.h"

#include <string.h>

#include "base/edit_distance.h"
#include "base/hex.h"
#include "base/iso8601.h"
#include "base/number_text.h"
#include "config/config_text.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Ascending, so that the last one that divides a value prints it shortest. */
static const struct unit size_units[] = {
    {"", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", (int64_t)1 << 40}, {NULL, 0},
};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

const struct option *option_find(const char *key)
{
    for (unsigned i = 0; i < option_count; i++) {
        if (strcmp(option_table[i].key, key) == 0) return &option_table[i];
    }
    return NULL;
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool option_is_open(const char *key)
{
    return begins_with(key, "actions.") || begins_with(key, "kafka.client.");
}

bool option_is_section(const char *key)
{
    if (strcmp(key, "actions") == 0 || strcmp(key, "kafka.client") == 0) return true;
    size_t size = strlen(key);
    for (unsigned i = 0; i < option_count; i++) {
        if (begins_with(option_table[i].key, key) && option_table[i].key[size] == '.') return true;
    }
    return false;
}

/* The words that a key may have been meant to be: keys, and the sections in front of their dots. */
static const char *nearest_key(const char *key, char to[CONFIG_TEXT_MAX])
{
    size_t least = strlen(key) / 2 + 1; /* farther is not alike */
    const char *nearest = NULL;
    for (unsigned i = 0; i < option_count; i++) {
        char word[CONFIG_TEXT_MAX];
        snprintf(word, sizeof word, "%s", option_table[i].key);
        for (char *end = word + strlen(word); end; end = strrchr(word, '.')) {
            *end = '\0';
            size_t far = edit_distance(key, word);
            if (far >= least) continue;
            least = far;
            nearest = memcpy(to, word, sizeof word);
        }
    }
    return edit_distance(key, "actions") < least ? "actions" : nearest;
}

enum status option_unknown(const char *key, const char *origin, struct error *error)
{
    char word[CONFIG_TEXT_MAX];
    const char *nearest = nearest_key(key, word);
    return error_set(error, STATUS_INVALID, "%s: %s: unknown key; %s%s%s", origin, key,
                     nearest ? "did you mean " : "config/REFERENCE.md lists all keys",
                     nearest ? nearest : "", nearest ? "?" : "");
}

static const char *print_double(int64_t bits, char to[CONFIG_TEXT_MAX])
{
    double number;
    memcpy(&number, &bits, sizeof number);
    snprintf(to, CONFIG_TEXT_MAX, "%.15g", number);
    return to;
}

static void print_scaled(int64_t value, const struct unit *units, char *to, size_t size)
{
    const struct unit *best = units;
    for (const struct unit *unit = units; value && unit->name; unit++) {
        if (value % unit->factor == 0) best = unit;
    }
    snprintf(to, size, "%lld%s", (long long)(value / best->factor), best->name);
}

const char *option_allowed(const struct option *option, char to[CONFIG_TEXT_MAX])
{
    char least[32], most[32];
    size_t used = 0;
    switch (option->type) {
    case OPTION_BOOL: return "true or false";
    case OPTION_CHOICE:
        for (const char *const *choice = option->choices; *choice; choice++) {
            const char *before = choice == option->choices ? "" : choice[1] ? ", " : " or ";
            used += (size_t)snprintf(to + used, CONFIG_TEXT_MAX - used, "%s%s", before, *choice);
        }
        return to;
    case OPTION_COUNT:
        snprintf(to, CONFIG_TEXT_MAX, "a whole number from %lld to %lld", (long long)option->least,
                 (long long)option->most);
        return to;
    case OPTION_REAL:
        snprintf(to, CONFIG_TEXT_MAX, "a number from %lld to %lld", (long long)option->least,
                 (long long)option->most);
        return to;
    case OPTION_SIZE:
    case OPTION_DURATION: {
        bool is_size = option->type == OPTION_SIZE;
        const struct unit *units = is_size ? size_units : duration_units;
        print_scaled(option->least, units, least, sizeof least);
        print_scaled(option->most, units, most, sizeof most);
        snprintf(to, CONFIG_TEXT_MAX, "%s from %s to %s", is_size ? "a size" : "a duration", least,
                 most);
        return to;
    }
    case OPTION_DATE: return "an ISO 8601 date or time";
    case OPTION_BYTE: return "one character that is no quote or line break, \\t, or \\x01 to \\x7f";
    case OPTION_TEXT: break;
    }
    snprintf(to, CONFIG_TEXT_MAX, "text of up to %lld bytes", (long long)option->most);
    return to;
}

/* A whole number with one of the units; without one the first's. */
static bool parse_scaled(const char *text, const struct unit *units, int64_t *valuep)
{
    const size_t size = strspn(text, "0123456789");
    uint64_t number;
    if (!parse_unsigned((struct bytes){text, size}, INT64_MAX, &number)) return false;
    const struct unit *unit = units;
    while (text[size] && unit->name && strcmp(unit->name, text + size) != 0) {
        unit++;
    }
    return unit->name && !__builtin_mul_overflow((int64_t)number, unit->factor, valuep);
}

static bool parse_choice(const char *text, const char *const *choices, int64_t *valuep)
{
    for (*valuep = 0; choices[*valuep]; (*valuep)++) {
        if (strcmp(choices[*valuep], text) == 0) return true;
    }
    return false;
}

/* One byte of ASCII, itself or escaped, that can stand between cells. */
static bool parse_byte(const char *text, int64_t *valuep)
{
    *valuep = (unsigned char)text[0];
    if (strcmp(text, "\\t") == 0) {
        *valuep = '\t';
    } else if (text[0] == '\\' && text[1] == 'x' && strlen(text) == 4) {
        uint64_t code;
        if (!parse_hex(bytes_of(text + 2), &code) || code == 0) return false;
        *valuep = (int64_t)code;
    } else if (text[0] && text[1]) {
        return false;
    }
    return *valuep < 0x80 && *valuep != '"' && *valuep != '\n' && *valuep != '\r';
}

/* Its bits, as the field has them. */
static bool parse_double(const struct option *option, const char *text, int64_t *bitsp)
{
    double number;
    if (!parse_real(bytes_of(text), &number)) return false;
    memcpy(bitsp, &number, sizeof number);
    return number >= (double)option->least && number <= (double)option->most;
}

static bool option_parse_number(const struct option *option, const char *text, int64_t *valuep)
{
    static const char *const truths[] = {"false", "true", NULL};
    static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
    bool parsed = false;
    switch (option->type) {
    case OPTION_BOOL: return parse_choice(text, truths, valuep);
    case OPTION_CHOICE: return parse_choice(text, option->choices, valuep);
    case OPTION_DATE: return iso8601_parse(bytes_of(text), valuep);
    case OPTION_BYTE: return parse_byte(text, valuep);
    case OPTION_REAL: return parse_double(option, text, valuep);
    case OPTION_COUNT: parsed = parse_scaled(text, no_units, valuep); break;
    case OPTION_SIZE: parsed = parse_scaled(text, size_units, valuep); break;
    case OPTION_DURATION: parsed = parse_scaled(text, duration_units, valuep); break;
    case OPTION_TEXT: break;
    }
    return parsed && *valuep >= option->least && *valuep <= option->most;
}

enum status option_set(struct config *config, const struct option *option, const char *value,
                       const char *origin, struct error *error)
{
    void *field = (char *)config + option->offset;
    char allowed[CONFIG_TEXT_MAX];
    int64_t number = 0;
    if (option->type == OPTION_TEXT && strlen(value) <= (size_t)option->most) {
        const char *text = config_own(config, value, strlen(value));
        if (!text) return error_set(error, STATUS_IO, "out of memory: the configuration");
        memcpy(field, &text, sizeof text);
        return STATUS_OK;
    }
    if (!option_parse_number(option, value, &number)) {
        return error_set(error, STATUS_INVALID, "%s: %s: '%.64s' is not allowed; expected %s",
                         origin, option->key, value, option_allowed(option, allowed));
    }
    memcpy(field, &number, option->width); /* little-endian: the low bytes are the value */
    return STATUS_OK;
}

const char *option_print(const struct config *config, const struct option *option,
                         char to[CONFIG_TEXT_MAX])
{
    const void *field = (const char *)config + option->offset;
    const char *text;
    int64_t number = 0;
    if (option->type == OPTION_TEXT) {
        memcpy(&text, field, sizeof text);
        return text;
    }
    memcpy(&number, field, option->width);
    switch (option->type) {
    case OPTION_BOOL: return number ? "true" : "false";
    case OPTION_CHOICE: return option->choices[number];
    case OPTION_SIZE: print_scaled(number, size_units, to, CONFIG_TEXT_MAX); return to;
    case OPTION_DURATION: print_scaled(number, duration_units, to, CONFIG_TEXT_MAX); return to;
    case OPTION_DATE: return iso8601_print(number, to);
    case OPTION_BYTE:
        snprintf(to, CONFIG_TEXT_MAX,
                 number && (number <= ' ' || number == 0x7F) ? "\\x%02x" : "%c", (int)number);
        return to;
    case OPTION_REAL: return print_double(number, to);
    default: snprintf(to, CONFIG_TEXT_MAX, "%lld", (long long)number); return to;
    }
}
