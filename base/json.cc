/*
 * json.cc - the only includer of simdjson.h.
 *
 * The decoder is simdjson's on-demand reader: it finds the structure of the text in one vectorized
 * pass and converts only what it is asked for. The document is its DOM. Both report errors by
 * value; this file is compiled without exceptions.
 */
#include "base/json.h"

#include <simdjson.h>

#include <cstring>
#include <new>
#include <type_traits>

using namespace simdjson;

static_assert(JSON_PADDING >= SIMDJSON_PADDING, "simdjson reads that far beyond a text");

struct json_decoder {
    ondemand::parser parser;
    ondemand::parser nested; /* of an array or object among the members */
};

struct json_document {
    dom::parser parser;
};

namespace
{

/* A value, or why there is none; simdjson reports the latter at the first use. */
using json_result = simdjson_result<ondemand::value>;

/* Values nested deeper than this are refused; nothing that comes as an event is. */
constexpr int depth_max = 64;

#define TRY_JSON(call)                                                                             \
    do {                                                                                           \
        error_code try_code_ = (call);                                                             \
        if (try_code_ != SUCCESS) return try_code_;                                                \
    } while (0)

/*
 * What reads a member is inlined into read_object: the reader's place in the text stays in
 * registers only as long as no function is given a reference to it, which is worth a third of the
 * time. Arrays and objects, whose depth takes a function that calls itself, are checked by a second
 * reader.
 */

/* An integer too long for simdjson, which is no reason to call the text malformed. */
bool is_big_integer(std::string_view digits)
{
    if (!digits.empty() && digits[0] == '-') digits.remove_prefix(1);
    if (digits.size() < 2 || digits[0] == '0') return false;
    return digits.find_first_not_of("0123456789") == std::string_view::npos;
}

simdjson_inline error_code read_number(json_result &value, json_value *out)
{
    std::string_view token;
    TRY_JSON(value.raw_json_token().get(token));
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    out->text = {token.data(), token.size()};
    ondemand::number number;
    error_code code = value.get_number().get(number);
    if (code != SUCCESS) {
        if (!is_big_integer(token)) return code;
        out->type = JSON_BIG_INTEGER; /* the object's iterator steps over what was not read */
        return SUCCESS;
    }
    switch (number.get_number_type()) {
    case ondemand::number_type::signed_integer:
        out->type = JSON_INTEGER;
        out->integer = number.get_int64();
        out->real = static_cast<double>(out->integer);
        break;
    case ondemand::number_type::unsigned_integer: out->type = JSON_BIG_INTEGER; break;
    default:
        out->type = JSON_REAL;
        out->real = number.get_double();
        break;
    }
    return SUCCESS;
}

simdjson_inline error_code read_null(json_result &value)
{
    bool null;
    TRY_JSON(value.is_null().get(null));
    return null ? SUCCESS : N_ATOM_ERROR;
}

/* Checks a value that nobody looks into, so that "malformed" does not depend on what is asked. */
error_code skim(json_result &value, int depth)
{
    ondemand::json_type type;
    TRY_JSON(value.type().get(type));
    switch (type) {
    case ondemand::json_type::array: {
        ondemand::array array;
        if (depth == 0) return DEPTH_ERROR;
        TRY_JSON(value.get_array().get(array));
        for (auto element : array) {
            json_result child = element;
            TRY_JSON(skim(child, depth - 1));
        }
        return SUCCESS;
    }
    case ondemand::json_type::object: {
        ondemand::object object;
        if (depth == 0) return DEPTH_ERROR;
        TRY_JSON(value.get_object().get(object));
        for (auto member : object) {
            json_result child = member.value();
            TRY_JSON(skim(child, depth - 1));
        }
        return SUCCESS;
    }
    case ondemand::json_type::number: {
        json_value ignored;
        return read_number(value, &ignored);
    }
    case ondemand::json_type::string: {
        std::string_view ignored;
        return value.get_string().get(ignored);
    }
    case ondemand::json_type::boolean: {
        bool ignored;
        return value.get_bool().get(ignored);
    }
    default: return read_null(value);
    }
}

/* Checks an array or object, which lies in a text with padding. */
error_code skim_nested(json_decoder *decoder, std::string_view text)
{
    ondemand::document document;
    json_result value;
    const char *rest;
    TRY_JSON(decoder->nested.iterate(text.data(), text.size(), text.size() + JSON_PADDING)
                 .get(document));
    value = document.get_value();
    TRY_JSON(skim(value, depth_max));
    return document.current_location().get(rest) == OUT_OF_BOUNDS ? SUCCESS : TRAILING_CONTENT;
}

/* One member; `to` moves behind the string that it may have been. */
simdjson_inline error_code read_value(json_decoder *decoder, json_result &value, json_value *out,
                                      char **to)
{
    ondemand::json_type type;
    std::string_view text;
    TRY_JSON(value.type().get(type));
    switch (type) {
    case ondemand::json_type::string:
        TRY_JSON(value.get_string().get(text));
        std::memcpy(*to, text.data(), text.size());
        out->type = JSON_STRING;
        out->text = {*to, text.size()};
        *to += text.size();
        return SUCCESS;
    case ondemand::json_type::number: return read_number(value, out);
    case ondemand::json_type::boolean: {
        bool truth;
        TRY_JSON(value.get_bool().get(truth));
        out->type = JSON_BOOL;
        out->integer = truth;
        return SUCCESS;
    }
    case ondemand::json_type::array: {
        ondemand::array array;
        TRY_JSON(value.get_array().get(array));
        TRY_JSON(array.raw_json().get(text));
        out->type = JSON_ARRAY;
        return skim_nested(decoder, text);
    }
    case ondemand::json_type::object: {
        ondemand::object object;
        TRY_JSON(value.get_object().get(object));
        TRY_JSON(object.raw_json().get(text));
        out->type = JSON_OBJECT;
        return skim_nested(decoder, text);
    }
    default: out->type = JSON_NULL; return read_null(value);
    }
}

unsigned find_name(const bytes *names, unsigned count, std::string_view key)
{
    unsigned i = 0;
    while (i < count &&
           (names[i].size != key.size() || std::memcmp(names[i].at, key.data(), key.size()) != 0)) {
        i++;
    }
    return i;
}

error_code read_object(json_decoder *decoder, bytes text, const bytes *names, unsigned count,
                       char *to, json_value *values)
{
    const char *at = static_cast<const char *>(text.at);
    ondemand::document document;
    ondemand::object object;
    json_value ignored;
    TRY_JSON(decoder->parser.iterate(at, text.size, text.size + JSON_PADDING).get(document));
    TRY_JSON(document.get_object().get(object));
    for (auto member : object) {
        std::string_view key;
        TRY_JSON(member.unescaped_key().get(key));
        json_result value = member.value();
        unsigned which = find_name(names, count, key);
        TRY_JSON(read_value(decoder, value, which < count ? &values[which] : &ignored, &to));
    }
    /* "Out of bounds" is how the reader says that nothing follows the object. */
    const char *rest;
    return document.current_location().get(rest) == OUT_OF_BOUNDS ? SUCCESS : TRAILING_CONTENT;
}

/* simdjson before 3.2 refuses one and later versions step over it; here it is never JSON. */
bool begins_with_byte_order_mark(bytes text)
{
    return text.size >= 3 && std::memcmp(text.at, "\xEF\xBB\xBF", 3) == 0;
}

constexpr char byte_order_mark[] = "it begins with a byte order mark";

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
    if (decoder && (decoder->parser.allocate(size_max) != SUCCESS ||
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

enum json_verdict json_decode(struct json_decoder *decoder, struct bytes text,
                              const struct bytes *names, unsigned count, void *scratch,
                              struct json_value *values, const char **whyp)
{
    for (unsigned i = 0; i < count; i++) {
        values[i].type = JSON_ABSENT;
        values[i].text = {nullptr, 0};
    }
    if (begins_with_byte_order_mark(text)) {
        *whyp = byte_order_mark;
        return JSON_MALFORMED;
    }
    error_code code =
        read_object(decoder, text, names, count, static_cast<char *>(scratch), values);
    if (code == SUCCESS) return JSON_OK;
    *whyp = code == INCORRECT_TYPE ? "not a JSON object" : error_message(code);
    return code == UTF8_ERROR ? JSON_BAD_UTF8 : JSON_MALFORMED;
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
    if (begins_with_byte_order_mark(text)) {
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
