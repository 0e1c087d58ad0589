# bash completion for treadline
_treadline() {
    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then # the command's own completion
            COMP_WORDS=("${COMP_WORDS[@]:i+1}")
            COMP_CWORD=$((COMP_CWORD - i - 1))
            COMPREPLY=($(compgen -c -f -- "$current"))
            return
        fi
    done
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "learn profile runs show review diff lint merge query enforce explain doctor --help --version" -- "$current"))
        return
    fi
    case ${COMP_WORDS[COMP_CWORD-1]} in
    -p | --profile | --store) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --network) COMPREPLY=($(compgen -W host -- "$current")); return ;;
    --report) COMPREPLY=($(compgen -W "json: text:" -- "$current")); return ;;
    esac
    local words="--help"
    case $command in
    learn) words+=" -p --profile --store --allow-credentials --network --resolve --tightness --" ;;
    profile) words+=" -p --profile --store --run --tightness --minimise --json" ;;
    runs | show) words+=" -p --profile --store --json" ;;
    review) words+=" -p --profile --store --json" ;;
    diff) words+=" --json" ;;
    lint) words+=" -p --profile --json" ;;
    query) words+=" -p --profile --json read write create exec connect syscall env" ;;
    enforce) words+=" -p --profile --store --capture --replay --strict --audit --allow-credentials --allow-degraded --network --resolve --report --" ;;
    explain) words+=" -p --profile --last --all" ;;
    doctor) words+=" --json" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -f -- "$current"))
}
complete -F _treadline treadline
