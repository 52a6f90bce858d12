/* Texts made from the table of commands: help, shell completions and the manual page. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/version.h"

enum { SCREEN_COLUMNS = 80, COMMAND_COLUMN = 27, FLAG_COLUMN = 37 };

static const char *dashes(const struct command *command)
{
    return command->arguments[0] == '\0' ? "" : " ";
}

/* Counts the characters of a UTF-8 text. */
static size_t columns(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

/* LEFT, and TEXT in a column beside it, or below where LEFT is too long; no wider than a screen. */
static void add_row(struct buffer *out, const char *left, size_t column, const char *text)
{
    size_t at = 2 + strlen(left);
    bool below = at >= column;
    struct slice rest = slice_of(text), word;
    buffer_printf(out, "  %s%s%*s", left, below ? "\n" : "", (int)(below ? column : column - at),
                  "");
    for (at = column; slice_cut(&rest, ' ', &word); at += columns(word)) {
        if (at > column && at + 1 + columns(word) > SCREEN_COLUMNS) {
            buffer_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            buffer_add_byte(out, ' ');
            at++;
        }
        buffer_add(out, word);
    }
    buffer_add_byte(out, '\n');
}

static void add_commands(struct buffer *out, const char *group)
{
    size_t count = strlen(group);
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (count == 0 ||
            (strncmp(command->name, group, count) == 0 && command->name[count] == ' ')) {
            add_row(out, command->name, COMMAND_COLUMN, command->help);
        }
    }
}

void help_overview(struct buffer *out)
{
    buffer_add_text(out, "Homerun " HOMERUN_VERSION
                         ": Cloud Run's service model on your own machine.\n\n"
                         "Usage: homerun COMMAND [FLAGS]\n\nCommands:\n");
    add_commands(out, "");
    buffer_add_text(out, "\n`homerun COMMAND --help` tells more. Start with `homerun up`.\n");
}

void help_group(struct buffer *out, const char *group)
{
    buffer_printf(out, "Usage: homerun %s COMMAND [FLAGS]\n\nCommands:\n", group);
    add_commands(out, group);
    buffer_printf(out, "\n`homerun %s COMMAND --help` tells more.\n", group);
}

static void help_flag(struct buffer *out, const struct flag *flag)
{
    char left[96];
    const char *value = flag->choices != NULL ? flag->choices : flag->value;
    snprintf(left, sizeof(left), "--%s%s%s", flag->name, flag->kind == FLAG_SWITCH ? "" : "=",
             flag->kind == FLAG_SWITCH ? "" : value);
    add_row(out, left, FLAG_COLUMN, flag->help);
}

void help_command(struct buffer *out, const struct command *command)
{
    bool flags_last = command->flags[0] != NULL && !command->takes_rest;
    buffer_printf(out, "homerun %s: %s.\n\nUsage: homerun %s%s%s%s\n", command->name, command->help,
                  command->name, dashes(command), command->arguments, flags_last ? " [FLAGS]" : "");
    if (command->flags[0] != NULL) {
        buffer_add_text(out, "\nFlags:\n");
    }
    for (size_t t = 0; t < FLAG_TABLES && command->flags[t] != NULL; t++) {
        for (const struct flag *flag = command->flags[t]; flag->name != NULL; flag++) {
            help_flag(out, flag);
        }
    }
}

/* ---- completion ---- */

/* "name:--a --b" lines that both shells' functions look through. */
static void add_words(struct buffer *out)
{
    for (const struct command *command = commands; command->name != NULL; command++) {
        buffer_printf(out, "%s:", command->name);
        for (size_t t = 0; t < FLAG_TABLES && command->flags[t] != NULL; t++) {
            for (const struct flag *flag = command->flags[t]; flag->name != NULL; flag++) {
                buffer_printf(out, "--%s%s ", flag->name, flag->kind == FLAG_SWITCH ? "" : "=");
            }
        }
        buffer_add_text(out, "--help\n");
    }
}

static void completion_bash(struct buffer *out)
{
    buffer_add_text(out, "# bash completion of homerun: source <(homerun completion bash)\n"
                         "_homerun_words='");
    add_words(out);
    buffer_add_text(out, "'\n"
                         "_homerun() {\n"
                         "    local word=${COMP_WORDS[COMP_CWORD]} typed='' i line name\n"
                         "    COMPREPLY=()\n"
                         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                         "        [[ ${COMP_WORDS[i]} == -* ]] && break\n"
                         "        typed+=\"${typed:+ }${COMP_WORDS[i]}\"\n"
                         "    done\n"
                         "    while IFS= read -r line; do\n"
                         "        name=${line%%:*}\n"
                         "        if [[ $word == -* ]]; then\n"
                         "            [[ \"$typed \" == \"$name \"* ]] &&\n"
                         "                COMPREPLY=($(compgen -W \"${line#*:}\" -- \"$word\"))\n"
                         "        elif [[ -z $typed ]]; then\n"
                         "            COMPREPLY+=($(compgen -W \"${name%% *}\" -- \"$word\"))\n"
                         "        elif [[ $name == \"$typed \"* ]]; then\n"
                         "            COMPREPLY+=($(compgen -W \"${name##* }\" -- \"$word\"))\n"
                         "        fi\n"
                         "    done <<<\"$_homerun_words\"\n"
                         "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
                         "    return 0\n"
                         "}\n"
                         "complete -o default -F _homerun homerun\n");
}

static void completion_zsh(struct buffer *out)
{
    buffer_add_text(out, "#compdef homerun\n"
                         "# zsh completion of homerun: source <(homerun completion zsh)\n"
                         "_homerun_words='");
    add_words(out);
    buffer_add_text(out, "'\n"
                         "_homerun() {\n"
                         "    local typed='' line name i\n"
                         "    local -a found\n"
                         "    for ((i = 2; i < CURRENT; i++)); do\n"
                         "        [[ $words[i] == -* ]] && break\n"
                         "        typed+=\"${typed:+ }$words[i]\"\n"
                         "    done\n"
                         "    for line in ${(f)_homerun_words}; do\n"
                         "        name=${line%%:*}\n"
                         "        if [[ $words[CURRENT] == -* ]]; then\n"
                         "            [[ \"$typed \" == \"$name \"* ]] && found=(${=line#*:})\n"
                         "        elif [[ -z $typed ]]; then\n"
                         "            found+=(${name%% *})\n"
                         "        elif [[ $name == \"$typed \"* ]]; then\n"
                         "            found+=(${name##* })\n"
                         "        fi\n"
                         "    done\n"
                         "    if (( $#found )); then\n"
                         "        compadd -U -S '' -- ${(u)found}\n"
                         "    else\n"
                         "        _files\n"
                         "    fi\n"
                         "}\n"
                         "if [[ $funcstack[1] == _homerun ]]; then _homerun \"$@\"; "
                         "else compdef _homerun homerun; fi\n");
}

/* ---- the manual page ---- */

/* In roff a '-' of a flag is "\-", and a line may not start with a dot or a quote. */
static void add_roff(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\') {
            buffer_add_byte(out, '\\');
        }
        buffer_add_byte(out, *text);
    }
}

static void man_flags(struct buffer *out, const struct command *command)
{
    for (size_t t = 0; t < FLAG_TABLES && command->flags[t] != NULL; t++) {
        for (const struct flag *flag = command->flags[t]; flag->name != NULL; flag++) {
            buffer_add_text(out, ".TP\n\\fB\\-\\-");
            add_roff(out, flag->name);
            buffer_add_text(out, "\\fR");
            if (flag->kind != FLAG_SWITCH) {
                buffer_add_text(out, "=\\fI");
                add_roff(out, flag->choices != NULL ? flag->choices : flag->value);
                buffer_add_text(out, "\\fR");
            }
            buffer_add_text(out, "\n");
            add_roff(out, flag->help);
            buffer_add_text(out, "\n");
        }
    }
}

static void completion_man(struct buffer *out)
{
    buffer_add_text(out,
                    ".TH HOMERUN 1 \"\" \"homerun " HOMERUN_VERSION "\" \"User Commands\"\n"
                    ".SH NAME\nhomerun \\- Cloud Run's service model on your own machine\n"
                    ".SH SYNOPSIS\n\\fBhomerun\\fR \\fICOMMAND\\fR [\\fIFLAGS\\fR]\n"
                    ".SH DESCRIPTION\n"
                    "\\fBhomerun up\\fR starts the server in the foreground. SIGTERM drains and "
                    "ends it with status 0; SIGHUP reads its configuration anew and exchanges "
                    "the processes one after another. The other commands are clients of its API, "
                    "with the names and flags that \\fBgcloud run\\fR has.\n.SH COMMANDS\n");
    for (const struct command *command = commands; command->name != NULL; command++) {
        buffer_add_text(out, ".SS \"homerun ");
        add_roff(out, command->name);
        buffer_add_text(out, dashes(command));
        add_roff(out, command->arguments);
        buffer_add_text(out, "\"\n");
        add_roff(out, command->help);
        buffer_add_text(out, ".\n");
        man_flags(out, command);
    }
    buffer_add_text(out,
                    ".SH EXIT STATUS\n0 when all went well; 1 when something failed, which "
                    "standard error tells; 2 for a wrong command line or configuration.\n"
                    ".SH ENVIRONMENT\n.TP\n\\fBHOMERUN_DATA\\fR\nThe data folder of the instance "
                    "that commands talk to, where \\-\\-data is not given.\n"
                    ".SH FILES\n.TP\n\\fIDATA\\fR/ready.json\nWhere everything is, while it "
                    "runs.\n.TP\n\\fIDATA\\fR/ca.pem\nThe local certificate authority.\n"
                    ".TP\n\\fIDATA\\fR/owner.json\nThe owner's key file, as gcloud reads it.\n");
}

bool help_completion(struct buffer *out, const char *form)
{
    static const struct {
        const char *form;
        void (*write)(struct buffer *out);
    } rows[] = {
        {"bash", completion_bash},
        {"zsh", completion_zsh},
        {"man", completion_man},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(form, rows[i].form) == 0) {
            rows[i].write(out);
            return true;
        }
    }
    return false;
}
