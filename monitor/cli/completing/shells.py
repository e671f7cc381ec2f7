"""The scripts. Each asks the program and evaluates nothing of what it answers.

The program is called as ``position-monitor __complete SHELL PLACE WORD...``: all words of the line as they stand,
the program's own name first, and which of them is to be completed, from 0. It answers lines with a tab between
their parts: ``word``, a value and what it is; or ``file`` alone, where any path may stand.
"""

from typing import Final

ASKED: Final = "__complete"

BASH: Final = """\
# Completion of position-monitor for bash. To have it in every shell, as root or with a directory of your own:
#   position-monitor completion bash > ~/.local/share/bash-completion/completions/position-monitor
_position_monitor() {
    local kind value about
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value about; do
        case $kind in
            word) COMPREPLY+=("$value") ;;
            file) compopt -o default 2>/dev/null ;;
        esac
    done < <("${COMP_WORDS[0]/#\\~/$HOME}" __complete bash "$COMP_CWORD" "${COMP_WORDS[@]}" 2>/dev/null)
}
complete -F _position_monitor position-monitor
"""

ZSH: Final = """\
#compdef position-monitor
# Completion of position-monitor for zsh. To have it in every shell, with a directory that is in $fpath:
#   position-monitor completion zsh > ~/.zfunc/_position-monitor
_position_monitor() {
    local kind value about files=
    local -a found
    while IFS=$'\\t' read -r kind value about; do
        case $kind in
            word) found+=("${value//:/\\\\:}${about:+:$about}") ;;
            file) files=1 ;;
        esac
    done < <("${words[1]/#\\~/$HOME}" __complete zsh "$((CURRENT - 1))" "${words[@]}" 2>/dev/null)
    (( ${#found} )) && _describe -V position-monitor found
    if [[ -n $files ]]; then
        compset -P '--*='
        _files
    fi
}
if [[ $funcstack[1] == _position_monitor || $funcstack[1] == _position-monitor ]]; then
    _position_monitor "$@"
else
    compdef _position_monitor position-monitor
fi
"""

FISH: Final = """\
# Completion of position-monitor for fish. To have it in every shell:
#   position-monitor completion fish > ~/.config/fish/completions/position-monitor.fish
function __position_monitor_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $before[1])
    for line in ($program __complete fish (count $before) $before "$current" 2>/dev/null)
        set -l parts (string split -m 2 \\t -- $line)
        switch $parts[1]
            case word
                printf '%s\\t%s\\n' $parts[2] $parts[3]
            case file
                # Paths as fish itself completes them, behind what is no part of them.
                set -l option (string match -r -- '^--[^=]*=' "$current"; or echo)
                for path in (complete -C "'' "(string replace -r -- '^--[^=]*=' '' "$current"))
                    printf '%s%s\\n' "$option" $path
                end
        end
    end
end
complete -c position-monitor -f -a '(__position_monitor_complete)'
"""

SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}
