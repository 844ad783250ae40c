# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ovzha_global_optspecs
    string join \n run-dir= h/help V/version
end

function __fish_ovzha_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ovzha_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ovzha_using_subcommand
    set -l cmd (__fish_ovzha_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ovzha -n "__fish_ovzha_needs_command" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_needs_command" -s h -l help -d 'Print help'
complete -c ovzha -n "__fish_ovzha_needs_command" -s V -l version -d 'Print version'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "daemon" -d 'Run this node, in the foreground'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "status" -d 'Show who is active and since when, what this node waits for, links, DRBD, the last failure'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "standby" -d 'Give what this node runs to the other node, and wait until it runs there'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "takeover" -d 'Take what the other node runs, and wait until it runs here'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "hold" -d 'Let neither node start, stop or move anything, until `ovzha resume` or until the time is over'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "resume" -d 'End a hold'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "clear" -d 'Forget that a group failed here, so that it may be started here again'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "confirm-data" -d 'Say that this node\'s copy of a group\'s data is the one to go on with'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "confirm-fenced" -d 'Say that the other node has no power'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "fence-peer" -d 'Answer DRBD: its fence-peer handler (outdate-peer before 8.3)'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "check" -d 'Check the files, then this machine, and print every problem with file and line'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "witness" -d 'Be the third vote of many clusters, on a host that is none of their nodes, in the foreground'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "witness-key" -d 'Print the keys that a witness of this cluster needs'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "board" -d 'Talk to a witness board over this node\'s cable to it: give it the cluster\'s keys, see how it is, try its relays'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "simulate" -d 'Show what would follow if faults struck a cluster with these files: two virtual nodes, a timeline'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "events" -d 'Show what this node saw and decided, line by line, from its record'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "explain" -d 'Say why a group is what it is on this node, by which rule, and what would change that'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "replay" -d 'Tell a fresh core what the record says, and compare what it decides'
complete -c ovzha -n "__fish_ovzha_needs_command" -f -a "demo" -d 'Show a failover: two daemons on this machine, a power cut, a standby back, as timelines'
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -l config-dir -d 'Where ha.cf, authkeys and haresources are' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -l state-dir -d 'Where the durable state is kept' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -l node -d 'This node\'s name, if not `uname -n`' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -l last-resort -d 'What to do when a group won\'t stop and the peer must take over: reset this machine, or nothing (for trials)' -r -f -a "reset\t''
none\t''"
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -l log-stderr -d 'Log to standard error, too'
complete -c ovzha -n "__fish_ovzha_using_subcommand daemon" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand status" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand status" -l json -d 'As JSON, for programs'
complete -c ovzha -n "__fish_ovzha_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand standby" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand standby" -l no-wait -d 'Don\'t wait for the outcome, only until it has begun or was refused'
complete -c ovzha -n "__fish_ovzha_using_subcommand standby" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand takeover" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand takeover" -l no-wait -d 'Don\'t wait for the outcome, only until it has begun or was refused'
complete -c ovzha -n "__fish_ovzha_using_subcommand takeover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand hold" -l for -d 'How long: 90s, 30m, 2h, 1d. Without it: until `ovzha resume`' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand hold" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand hold" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand resume" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand resume" -s h -l help -d 'Print help'
complete -c ovzha -n "__fish_ovzha_using_subcommand clear" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand clear" -s h -l help -d 'Print help'
complete -c ovzha -n "__fish_ovzha_using_subcommand confirm-data" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand confirm-data" -l yes -d 'Don\'t ask'
complete -c ovzha -n "__fish_ovzha_using_subcommand confirm-data" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand confirm-fenced" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand confirm-fenced" -l yes -d 'Don\'t ask'
complete -c ovzha -n "__fish_ovzha_using_subcommand confirm-fenced" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand fence-peer" -l timeout -d 'Longest wait, in seconds' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand fence-peer" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand fence-peer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand check" -l config-dir -d 'Where ha.cf, authkeys and haresources are' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand check" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand witness" -l config -d 'Where it listens, and the clusters' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand witness" -l state-dir -d 'Where it keeps whose copies are old' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand witness" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand witness" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand witness-key" -l config-dir -d 'Where authkeys is' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand witness-key" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand witness-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and not __fish_seen_subcommand_from provision status test-relay restore" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and not __fish_seen_subcommand_from provision status test-relay restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and not __fish_seen_subcommand_from provision status test-relay restore" -f -a "provision" -d 'Give a board the keys, the names and the times of this node\'s cluster'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and not __fish_seen_subcommand_from provision status test-relay restore" -f -a "status" -d 'Show how a board is'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and not __fish_seen_subcommand_from provision status test-relay restore" -f -a "test-relay" -d 'Take a node\'s power away for a moment, and tell what its sense input said meanwhile'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and not __fish_seen_subcommand_from provision status test-relay restore" -f -a "restore" -d 'Give a node its power back that a latched cut took'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l port -d 'The serial port of this node\'s cable to the board' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l config-dir -d 'Where ha.cf and authkeys are' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l relay -d 'none: it only votes; beside: it cuts, beside watchdogs in the nodes; in-place: it cuts, in place of them' -r -f -a "none\t''
beside\t''
in-place\t''"
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l off-for -d 'How long a cut lasts' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l lends-for -d 'The longest time the board lends for, and to nobody for so long after its start' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l latch -d 'A cut lasts until `ovzha board restore`'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -l no-sense -d 'The sense inputs are not wired'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from provision" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from status" -l port -d 'The serial port of this node\'s cable to the board' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from status" -l config-dir -d 'Where authkeys is: its key is compared with the board\'s' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from status" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from test-relay" -l port -d 'The serial port of this node\'s cable to the board' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from test-relay" -l config-dir -d 'Where ha.cf and authkeys are' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from test-relay" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from test-relay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from restore" -l port -d 'The serial port of this node\'s cable to the board' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from restore" -l config-dir -d 'Where ha.cf and authkeys are' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from restore" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand board; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -s d -l config-dir -d 'Where ha.cf, authkeys and haresources are' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l machine -d 'Where a node\'s etc/drbd.conf is: it says how DRBD is fenced, and over which cable it goes' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l seed -d 'What is left to chance (moments between heartbeats, delays) is drawn from it' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l for -d 'Look on for so long behind the last fault: 90s, 30m. Without it: until nothing changes any more' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l start-takes -d 'How long the start of a resource takes: vz=60s. More than one are possible' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l stop-takes -d 'How long its stop takes' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l all -d 'Show every line, also what every healthy cluster says'
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -l json -d 'As JSON, for programs'
complete -c ovzha -n "__fish_ovzha_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand events" -l since -d 'From this moment on: 2026-11-28T01:30:00Z, 2026-11-28 01:30 (UTC), or how long ago: 90s, 30m, 2h, 1d' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand events" -l file -d 'A record, if not that of this machine' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand events" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand events" -l json -d 'As JSON, a line each, for programs'
complete -c ovzha -n "__fish_ovzha_using_subcommand events" -l all -d 'Heartbeats, ticks and looks that found nothing, too'
complete -c ovzha -n "__fish_ovzha_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand explain" -l at -d 'At this moment, not now: 2026-11-28T01:30:00Z, 2026-11-28 01:30 (UTC), or how long ago: 90s, 30m, 2h, 1d' -r
complete -c ovzha -n "__fish_ovzha_using_subcommand explain" -l file -d 'A record, if not that of this machine' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand explain" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand replay" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ovzha -n "__fish_ovzha_using_subcommand demo" -l run-dir -d 'Where the daemon has its sockets; a directory in memory' -r -F
complete -c ovzha -n "__fish_ovzha_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
