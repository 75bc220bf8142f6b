#!/bin/sh
# serving_symbols.sh LIBRARY - fails if an object that serves calls libm or BLAS: their results differ
# by machine. Serving objects are the kernels and ops but BLAS, the models, and what opens them.
set -eu

root=$(dirname "$0")/../..
serving=$(cd "$root/model" && ls tensor/*.c zoo/*.c interest_*.c item_table.c |
    grep -v kernel_blas | sed 's|.*/||; s|$|.o|')
found=$(nm --undefined-only --print-file-name "$1" |
    awk -v serving="$serving" '
        BEGIN { n = split(serving, names); for (i = 1; i <= n; i++) serves[names[i]] = 1 }
        {
            split($1, at, ":")
            math = "^(exp|exp2|expm1|log|log2|log10|log1p|pow|sqrt|tanh|sinh|cosh|sin|cos|tan|" \
                   "fma|erf|cbrt|hypot|round|lround|rint|nearbyint|floor|ceil|trunc)[fl]?$"
            if (serves[at[2]]) seen++
            if (serves[at[2]] && ($NF ~ math || $NF ~ /^(cblas_|openblas_)/)) print at[2] ": " $NF
        }
        END { if (!seen) print "no serving object found" }')
[ -z "$found" ] || { echo "$found"; exit 1; }
