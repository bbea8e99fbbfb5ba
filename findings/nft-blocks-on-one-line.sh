#!/usr/bin/env bash
# nftables 1.0.6: a chain or set within a table ends at a newline or a semicolon, and not at its own closing brace.
#
# Expected beforehand: that a ruleset means the same on one line as on several, as it does in most languages with braces,
# so that `table ip t { chain c { accept; } }` is a table with a chain. Seen: a syntax error at the outer brace, "expecting
# newline or semicolon", for chains and sets alike; `};` or a newline makes it valid. Whoever writes rules on one line
# (a container's start script, a test) has to know. Checked only, with `nft --check`, in a network namespace of its own.
#
# Needs root (for the namespace) and the network (for the packages). Fails if any of this is otherwise.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 >/dev/null
for package in *.deb; do dpkg -x "$package" unpacked; done
library=$(dirname "$(find unpacked -name 'libnftables.so.1' -print -quit)")
nft() { LD_LIBRARY_PATH="$folder/$library" unshare --net "$folder/unpacked/usr/sbin/nft" "$@"; }
nft --version

check() { # accepted|refused RULESET
    local outcome=refused
    if printf "$2\n" | nft --check --file - 2>error; then outcome=accepted; fi
    printf '%-9s %s\n' "$outcome" "$2"
    [ "$outcome" = "$1" ] || { cat error; echo "not as described: $2"; exit 1; }
    [ "$1" = accepted ] || grep -q 'expecting newline or semicolon' error
}
check refused 'table ip t { chain c { accept; } }'
check refused 'table ip t { set s { type ipv4_addr; } }'
check refused 'table ip t { chain c { accept; } chain d { accept; } }'
check accepted 'table ip t { chain c { accept; }; }'
check accepted 'table ip t { chain c { accept; }; chain d { accept; }; }'
check accepted 'table ip t { set s { type ipv4_addr; }; }'
check accepted 'table ip t {\n chain c { accept; }\n}'
echo "as described"
