/*
 * json.cc - the only includer of simdjson.h.
 *
 * The decoder is simdjson's on-demand reader: it finds the structure of the text in one vectorized
 * pass and converts only what it is asked for. What a number or a name is, this file decides itself,
 * so that no verdict depends on the library's version. The document is its DOM. Both report errors by
 * value; this file is compiled without exceptions.
 */
#include "base/json.h"

#include <simdjson.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#include "base/utf8.h"

using namespace simdjson;

static_assert(JSON_PADDING >= SIMDJSON_PADDING, "simdjson reads that far beyond a text");

struct json_decoder {
    ondemand::parser parser;
    ondemand::parser nested; /* of an object among the members that a name leads into */
    std::unique_ptr<char[]> mended;
};

struct json_document {
    dom::parser parser;
};

namespace
{

/* A value, or why there is none; simdjson reports the latter at the first use. */
using json_result = simdjson_result<ondemand::value>;

/* A name leads through at most so many objects. */
constexpr unsigned depth_max = 16;

#define TRY_JSON(call)                                                                             \
    do {                                                                                           \
        error_code try_code_ = (call);                                                             \
        if (try_code_ != SUCCESS) return try_code_;                                                \
    } while (0)

/*
 * What reads a member is inlined into read_object: the reader's place in the text stays in
 * registers only as long as no function is given a reference to it, which is worth a third of the
 * time. Objects that names lead into, whose depth takes a function that calls itself, are read by a
 * second reader. What nobody asked for is stepped over unread, whatever it is.
 */

/* What is asked for, where it goes, and the text that what is read stands in. */
struct request {
    const bytes *names;
    unsigned count;
    json_value *values;
    char *to;             /* where the next string goes */
    const char *original; /* the caller's text */
    const char *read;     /* the text that is read: the original, or its mended copy */
};

/* JSON's grammar of numbers. Sets `real` if there is a fraction or an exponent. */
simdjson_inline bool is_number(std::string_view token, bool &real)
{
    const char *at = token.data(), *end = at + token.size();
    auto digits = [&] {
        const char *begin = at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        return at - begin;
    };
    real = false;
    at += at < end && *at == '-';
    const char *first = at;
    const auto whole = digits();
    if (whole == 0 || (whole > 1 && *first == '0')) return false;
    if (at < end && *at == '.') {
        real = true;
        at++;
        if (digits() == 0) return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        real = true;
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (digits() == 0) return false;
    }
    return at == end;
}

/* Neither string, array nor object: its text says what it is. */
simdjson_inline void read_scalar(std::string_view token, const request &asked, json_value *out)
{
    bool real;
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    out->text = {asked.original + (token.data() - asked.read), token.size()};
    if (is_number(token, real)) {
        const auto result =
            std::from_chars(token.data(), token.data() + token.size(), out->integer);
        out->type = real ? JSON_REAL : result.ec == std::errc() ? JSON_INTEGER : JSON_BIG_INTEGER;
    } else if (token == "true" || token == "false") {
        out->type = JSON_BOOL;
        out->integer = token == "true";
    } else {
        out->type = token == "null" ? JSON_NULL : JSON_BAD_SCALAR;
    }
}

/* `token` begins with the string; of a mended text it must be what the original says. */
simdjson_inline void read_string(json_result &value, std::string_view token, request &asked,
                                 json_value *out)
{
    std::string_view text;
    out->type = JSON_BAD_STRING;
    if (asked.read != asked.original) {
        const size_t size = token.rfind('"') + 1;
        const char *original = asked.original + (token.data() - asked.read);
        if (std::memcmp(original, token.data(), size) != 0) return;
    }
    if (value.get_string().get(text) != SUCCESS) return;
    std::memcpy(asked.to, text.data(), text.size());
    out->type = JSON_STRING;
    out->text = {asked.to, text.size()};
    asked.to += text.size();
}

/* Only where it stands. */
simdjson_inline error_code read_array(json_result &value, const request &asked, json_value *out)
{
    ondemand::array array;
    std::string_view text;
    TRY_JSON(value.get_array().get(array));
    TRY_JSON(array.raw_json().get(text));
    out->type = JSON_ARRAY;
    out->text = {asked.original + (text.data() - asked.read), text.size()};
    return SUCCESS;
}

/* One member that is asked for. */
simdjson_inline error_code read_value(json_result &value, request &asked, json_value *out)
{
    std::string_view token;
    TRY_JSON(value.raw_json_token().get(token));
    switch (token[0]) {
    case '"': read_string(value, token, asked, out); break;
    case '[': return read_array(value, asked, out);
    case '{': out->type = JSON_OBJECT; break;
    case ',':
    case ':':
    case ']':
    case '}': return TAPE_ERROR;
    default: read_scalar(token, asked, out);
    }
    return SUCCESS;
}

simdjson_inline unsigned find_name(const request &asked, std::string_view key)
{
    unsigned i = 0;
    while (i < asked.count && !bytes_equal(asked.names[i], {key.data(), key.size()})) {
        i++;
    }
    return i;
}

/* True if `name` is "key." and more. */
simdjson_inline bool leads_into(const bytes &name, std::string_view key)
{
    const char *at = static_cast<const char *>(name.at);
    return name.size > key.size() && at[key.size()] == '.' &&
           std::memcmp(at, key.data(), key.size()) == 0;
}

simdjson_inline bool any_leads_into(const request &asked, std::string_view key)
{
    for (unsigned i = 0; i < asked.count; i++) {
        if (leads_into(asked.names[i], key)) return true;
    }
    return false;
}

/* What the names ask of the object at `key`: their parts behind it. */
request behind_key(const request &asked, std::string_view key, bytes (&names)[JSON_NAMES_MAX])
{
    request inner = asked;
    for (unsigned i = 0; i < asked.count; i++) {
        const bytes &name = asked.names[i];
        names[i] = {nullptr, 0};
        if (!leads_into(name, key)) continue;
        names[i] = {static_cast<const char *>(name.at) + key.size() + 1,
                    name.size - key.size() - 1};
    }
    inner.names = names;
    return inner;
}

/* An object of the second reader. */
error_code read_inner(ondemand::object &object, request &asked, unsigned depth)
{
    for (auto member : object) {
        std::string_view key;
        if (member.unescaped_key().get(key) != SUCCESS) continue;
        json_result value = member.value();
        const unsigned which = key.empty() ? asked.count : find_name(asked, key);
        if (which < asked.count) {
            TRY_JSON(read_value(value, asked, &asked.values[which]));
        } else if (depth < depth_max && any_leads_into(asked, key)) {
            bytes names[JSON_NAMES_MAX];
            ondemand::object inside;
            request inner = behind_key(asked, key, names);
            if (value.get_object().get(inside) != SUCCESS) continue;
            TRY_JSON(read_inner(inside, inner, depth + 1));
            asked.to = inner.to;
        }
    }
    return SUCCESS;
}

/* The object at `key`, which lies in a text with padding. */
error_code read_nested(json_decoder *decoder, std::string_view key, std::string_view text,
                       request &asked)
{
    bytes names[JSON_NAMES_MAX];
    ondemand::document document;
    ondemand::object object;
    request inner = behind_key(asked, key, names);
    TRY_JSON(decoder->nested.iterate(text.data(), text.size(), text.size() + JSON_PADDING)
                 .get(document));
    TRY_JSON(document.get_object().get(object));
    TRY_JSON(read_inner(object, inner, 1));
    asked.to = inner.to;
    return SUCCESS;
}

error_code read_object(json_decoder *decoder, size_t size, request &asked)
{
    ondemand::document document;
    ondemand::object object;
    TRY_JSON(decoder->parser.iterate(asked.read, size, size + JSON_PADDING).get(document));
    TRY_JSON(document.get_object().get(object));
    for (auto member : object) {
        std::string_view key, text;
        const bool named = member.unescaped_key().get(key) == SUCCESS;
        json_result value = member.value();
        const unsigned which = named ? find_name(asked, key) : asked.count;
        if (which < asked.count) {
            TRY_JSON(read_value(value, asked, &asked.values[which]));
            continue;
        }
        TRY_JSON(value.raw_json_token().get(text));
        if (std::strchr(",:]}", text[0])) return TAPE_ERROR; /* no value: nothing to step over */
        if (text[0] == '{' && named && any_leads_into(asked, key)) {
            ondemand::object inside;
            TRY_JSON(value.get_object().get(inside));
            TRY_JSON(inside.raw_json().get(text));
            TRY_JSON(read_nested(decoder, key, text, asked));
        }
    }
    /* "Out of bounds" is how the reader says that nothing follows the object. */
    const char *rest;
    return document.current_location().get(rest) == OUT_OF_BOUNDS ? SUCCESS : TRAILING_CONTENT;
}

error_code read_elements(json_decoder *decoder, request &asked, size_t size, unsigned &count)
{
    ondemand::document document;
    ondemand::array array;
    TRY_JSON(decoder->nested.iterate(asked.read, size, size + JSON_PADDING).get(document));
    TRY_JSON(document.get_array().get(array));
    for (auto element : array) {
        if (count == asked.count) return SUCCESS;
        json_result value = element;
        TRY_JSON(read_value(value, asked, &asked.values[count++]));
    }
    return SUCCESS;
}

/* simdjson before 3.2 refuses one and later versions step over it; here it is never JSON. */
constexpr char byte_order_mark[] = "it begins with a byte order mark";

/* Bytes of the UTF-8 character at `at`, 0 if there is none. */
size_t character_size(const char *at, size_t left)
{
    const unsigned char first = static_cast<unsigned char>(*at);
    const size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return size <= left && validate_utf8(at, size) ? size : 0;
}

/*
 * A copy of a text that the reader refuses as a whole for a byte that may stand where nobody looks:
 * '?' for each that is no UTF-8, and a space for each control character.
 */
void mend(const char *from, size_t size, char *to)
{
    std::memcpy(to, from, size);
    for (size_t i = 0, step; i < size; i += step) {
        const size_t character = character_size(from + i, size - i);
        step = character ? character : 1;
        if (!character) to[i] = '?';
        if (static_cast<unsigned char>(from[i]) < 0x20) to[i] = ' ';
    }
}

/* An element or iterator of the DOM is a place on its tape: two words that C may hold. */
template <typename Place> void pack(uint64_t (&words)[2], const Place &place)
{
    static_assert(sizeof(Place) == sizeof words && std::is_trivially_copyable<Place>::value,
                  "a place on the tape is two words");
    std::memcpy(words, &place, sizeof words);
}

template <typename Place> Place unpack(const uint64_t (&words)[2])
{
    Place place;
    std::memcpy(static_cast<void *>(&place), words, sizeof words);
    return place;
}

json_value value_of(const dom::element &element)
{
    json_value value = {};
    switch (element.type()) {
    case dom::element_type::ARRAY: value.type = JSON_ARRAY; break;
    case dom::element_type::OBJECT: value.type = JSON_OBJECT; break;
    case dom::element_type::INT64:
        value.type = JSON_INTEGER;
        value.integer = element.get_int64().value_unsafe();
        value.real = static_cast<double>(value.integer);
        break;
    case dom::element_type::UINT64: value.type = JSON_BIG_INTEGER; break;
    case dom::element_type::DOUBLE:
        value.type = JSON_REAL;
        value.real = element.get_double().value_unsafe();
        break;
    case dom::element_type::STRING: {
        std::string_view text = element.get_string().value_unsafe();
        value.type = JSON_STRING;
        value.text = {text.data(), text.size()};
        break;
    }
    case dom::element_type::BOOL:
        value.type = JSON_BOOL;
        value.integer = element.get_bool().value_unsafe();
        break;
    case dom::element_type::NULL_VALUE: value.type = JSON_NULL; break;
    }
    pack(value.handle, element);
    return value;
}

} // namespace

extern "C" {

enum status json_decoder_open(struct json_decoder **decoderp, size_t size_max, struct error *error)
{
    json_decoder *decoder = new (std::nothrow) json_decoder;
    if (decoder) decoder->mended.reset(new (std::nothrow) char[size_max + JSON_PADDING]());
    if (decoder && (!decoder->mended || decoder->parser.allocate(size_max) != SUCCESS ||
                    decoder->nested.allocate(size_max) != SUCCESS)) {
        delete decoder;
        decoder = nullptr;
    }
    *decoderp = decoder;
    return decoder ? STATUS_OK : error_set(error, STATUS_IO, "out of memory: a JSON decoder");
}

void json_decoder_close(struct json_decoder *decoder)
{
    delete decoder;
}

static void forget(struct json_value *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        values[i].type = JSON_ABSENT;
        values[i].text = {nullptr, 0};
    }
}

enum json_verdict json_decode(struct json_decoder *decoder, struct bytes text,
                              const struct bytes *names, unsigned count, void *scratch,
                              struct json_value *values, const char **whyp)
{
    const char *at = static_cast<const char *>(text.at);
    if (utf8_has_mark(text)) {
        *whyp = byte_order_mark;
        return JSON_MALFORMED;
    }
    request asked = {names, count, values, static_cast<char *>(scratch), at, at};
    forget(values, count);
    error_code code = read_object(decoder, text.size, asked);
    if (code == UTF8_ERROR || code == UNESCAPED_CHARS) {
        char *mended = decoder->mended.get();
        mend(at, text.size, mended);
        asked = {names, count, values, static_cast<char *>(scratch), at, mended};
        forget(values, count);
        code = read_object(decoder, text.size, asked);
    }
    if (code == SUCCESS) return JSON_OK;
    *whyp = code == INCORRECT_TYPE ? "not a JSON object" : error_message(code);
    return JSON_MALFORMED;
}

bool json_decode_elements(struct json_decoder *decoder, struct bytes text, void *scratch,
                          struct json_value *values, unsigned max, unsigned *countp)
{
    const char *at = static_cast<const char *>(text.at);
    request asked = {nullptr, max, values, static_cast<char *>(scratch), at, at};
    forget(values, max);
    *countp = 0;
    return read_elements(decoder, asked, text.size, *countp) == SUCCESS;
}

bool json_utf8_valid(struct bytes text)
{
    return validate_utf8(static_cast<const char *>(text.at), text.size);
}

enum status json_document_open(struct json_document **documentp, struct error *error)
{
    *documentp = new (std::nothrow) json_document;
    return *documentp ? STATUS_OK : error_set(error, STATUS_IO, "out of memory: a JSON document");
}

void json_document_close(struct json_document *document)
{
    delete document;
}

enum status json_document_parse(struct json_document *document, struct bytes text,
                                struct json_value *rootp, struct error *error)
{
    dom::element root;
    if (utf8_has_mark(text)) {
        return error_set(error, STATUS_CORRUPT, "%s", byte_order_mark);
    }
    error_code code =
        document->parser.parse(static_cast<const char *>(text.at), text.size, false).get(root);
    if (code == MEMALLOC) return error_set(error, STATUS_IO, "out of memory: a JSON document");
    if (code != SUCCESS) return error_set(error, STATUS_CORRUPT, "%s", error_message(code));
    *rootp = value_of(root);
    return STATUS_OK;
}

struct json_cursor json_walk(const struct json_value *value)
{
    json_cursor cursor = {};
    dom::element element = unpack<dom::element>(value->handle);
    if (value->type == JSON_OBJECT) {
        dom::object object = element.get_object().value_unsafe();
        cursor.object = true;
        pack(cursor.next, object.begin());
        pack(cursor.end, object.end());
    } else {
        REQUIRE(value->type == JSON_ARRAY);
        dom::array array = element.get_array().value_unsafe();
        pack(cursor.next, array.begin());
        pack(cursor.end, array.end());
    }
    return cursor;
}

bool json_next(struct json_cursor *cursor, struct bytes *key, struct json_value *value)
{
    if (std::memcmp(cursor->next, cursor->end, sizeof cursor->next) == 0) return false;
    std::string_view name;
    if (cursor->object) {
        auto at = unpack<dom::object::iterator>(cursor->next);
        name = at.key();
        *value = value_of(at.value());
        pack(cursor->next, ++at);
    } else {
        auto at = unpack<dom::array::iterator>(cursor->next);
        *value = value_of(*at);
        pack(cursor->next, ++at);
    }
    if (key) *key = {name.data(), name.size()};
    return true;
}

} /* extern "C" */
