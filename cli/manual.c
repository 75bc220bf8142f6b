/* manual.c - the text of the tables, escaped for roff, and listed for bash. */
#include "cli/manual.h"

#include <ctype.h>
#include <string.h>

/* What roff would take for its own is escaped. */
static void print_roff(FILE *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        const bool begins = at == text || at[-1] == '\n';
        if (begins && (*at == '.' || *at == '\'')) fputs("\\&", out);
        if (*at == '\\') {
            fputs("\\e", out);
        } else if (*at == '-') {
            fputs("\\-", out);
        } else {
            fputc(*at, out);
        }
    }
}

/* Text whose lines stay as they are. */
static void print_as_it_is(FILE *out, const char *text)
{
    fputs(".nf\n", out);
    print_roff(out, text);
    fputs(".fi\n", out);
}

static void print_setting(void *to, const struct config_description *setting)
{
    FILE *out = to;
    fputs(".TP\n\\fB", out);
    print_roff(out, setting->key);
    fputs("\\fR = \\fI", out);
    print_roff(out, *setting->value ? setting->value : "(empty)");
    fputs("\\fR\n", out);
    print_roff(out, setting->help);
    fputs(":\n", out);
    print_roff(out, setting->allowed);
    fputs(".\n", out);
}

void manual_print(FILE *out, const char *overview, const struct command *const *commands)
{
    fputs(".TH BRAID 1 \"\" \"Braid " BRAID_VERSION "\" \"User Commands\"\n"
          ".SH NAME\n"
          "braid \\- clicks in, interest vectors out, exactly once\n"
          ".SH DESCRIPTION\n",
          out);
    print_as_it_is(out, overview);
    fputs(".SH COMMANDS\n", out);
    for (; *commands; commands++) {
        fprintf(out, ".SS ");
        print_roff(out, (*commands)->name);
        fputc('\n', out);
        print_roff(out, (*commands)->summary);
        fputs(".\n.PP\n", out);
        print_as_it_is(out, (*commands)->help);
    }
    fputs(".SH SETTINGS\n"
          "In a YAML file (nested, or with the dotted key), in the environment\n"
          "(source.path is BRAID_SOURCE_PATH), or on the command line (\\-\\-source.path=FILE);\n"
          "later ones win. Each with its default.\n",
          out);
    config_describe(print_setting, out);
}

/* Bytes of the option's name that `at` begins with, which is no setting's; 0: it is none. */
static size_t option_size(const char *at)
{
    size_t size = 2;
    while (islower((unsigned char)at[size]) || (size > 2 && at[size] == '-')) {
        size++;
    }
    return size > 2 && at[size] != '.' && at[size] != '_' ? size : 0;
}

static bool named_before(const char *text, const char *at, size_t size)
{
    for (const char *before = strstr(text, "--"); before < at; before = strstr(before + 2, "--")) {
        if (option_size(before) == size && memcmp(before, at, size) == 0) return true;
    }
    return false;
}

/* The options that a help text names, each once. */
static void print_options(FILE *out, const char *text)
{
    for (const char *at = strstr(text, "--"); at; at = strstr(at + 2, "--")) {
        size_t size = option_size(at);
        if (size && !named_before(text, at, size)) fprintf(out, " %.*s", (int)size, at);
    }
}

static void print_choices(void *to, const struct config_description *setting)
{
    FILE *out = to;
    fprintf(out, "    [--%s]=\"", setting->key);
    for (const char *const *choice = setting->choices; choice && *choice; choice++) {
        fprintf(out, "%s%s", choice == setting->choices ? "" : " ", *choice);
    }
    fputs("\"\n", out);
}

void completion_print(FILE *out, const struct command *const *commands)
{
    fputs("# braid.bash - completion of braid's commands, settings and values in bash. Generated\n"
          "# by `braid help completion`; do not edit.\n"
          "declare -A _braid_options=(\n",
          out);
    for (const struct command *const *command = commands; *command; command++) {
        fprintf(out, "    [%s]=\"", (*command)->name);
        print_options(out, (*command)->help);
        fprintf(out, "%s\"\n", (*command)->settings ? " SETTINGS" : "");
    }
    fputs(")\ndeclare -A _braid_settings=(\n", out);
    config_describe(print_choices, out);
    fputs(")\n"
          "_braid()\n"
          "{\n"
          "    local line=${COMP_LINE:0:COMP_POINT} word key options\n"
          "    word=${line##* }\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        COMPREPLY=($(compgen -W \"${!_braid_options[*]} help\" -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    options=${_braid_options[${COMP_WORDS[1]}]-}\n"
          "    key=${word%%=*}\n"
          "    if [[ $word == --*=* && ${_braid_settings[$key]-} ]]; then\n"
          "        COMPREPLY=($(compgen -W \"${_braid_settings[$key]}\" -- \"${word#*=}\"))\n"
          "    elif [[ $word == --*=* ]]; then\n"
          "        COMPREPLY=($(compgen -f -- \"${word#*=}\"))\n"
          "    elif [[ $word == -* ]]; then\n"
          "        [[ $options != *SETTINGS ]] || options+=\" ${!_braid_settings[*]}\"\n"
          "        COMPREPLY=($(compgen -W \"${options/ SETTINGS/}\" -- \"$word\"))\n"
          "        ((${#COMPREPLY[@]} != 1)) || [[ ! ${_braid_settings[${COMPREPLY[0]}]+is} ]] ||\n"
          "            { COMPREPLY[0]+='='; compopt -o nospace 2>/dev/null; }\n"
          "    else\n"
          "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "    fi\n"
          "}\n"
          "complete -F _braid -o filenames braid\n",
          out);
}
