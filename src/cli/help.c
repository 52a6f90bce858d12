/* Texts made from the table of commands: help, shell completions and the manual page. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/version.h"

static const char *dashes(const struct command *command)
{
    return command->arguments[0] == '\0' ? "" : " ";
}

void help_overview(struct buffer *out)
{
    buffer_add_text(out, "Homerun " HOMERUN_VERSION
                         ": Cloud Run's service model on your own machine.\n\n"
                         "Usage: homerun COMMAND [FLAGS]\n\nCommands:\n");
    for (const struct command *command = commands; command->name != NULL; command++) {
        buffer_printf(out, "  %-36s %s\n", command->name, command->help);
    }
    buffer_add_text(out, "\n`homerun COMMAND --help` tells more. Start with `homerun up`.\n");
}

static void help_flag(struct buffer *out, const struct flag *flag)
{
    char left[96];
    const char *value = flag->choices != NULL ? flag->choices : flag->value;
    snprintf(left, sizeof(left), "--%s%s%s", flag->name, flag->kind == FLAG_SWITCH ? "" : "=",
             flag->kind == FLAG_SWITCH ? "" : value);
    buffer_printf(out, strlen(left) > 34 ? "  %s\n  %*s%s\n" : "  %-34s %*s%s\n", left,
                  strlen(left) > 34 ? 35 : 0, "", flag->help);
}

void help_command(struct buffer *out, const struct command *command)
{
    buffer_printf(out, "homerun %s: %s.\n\nUsage: homerun %s%s%s [FLAGS]\n", command->name,
                  command->help, command->name, dashes(command), command->arguments);
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
