#!/bin/sh
# image_root.sh - the whole file system of the image, out of the build stage: the program, the shared
# libraries that it names and those that they name, certificates, a user, and a small shell.
#
#     image_root.sh PROGRAM ROOT
set -eu
program=$1 root=$2

mkdir -p "$root/etc/ssl/certs" "$root/usr/bin" "$root/usr/lib/ssl" "$root/usr/lib64" "$root/tmp" \
    "$root/usr/local/bin" "$root/usr/local/share/braid" "$root/var/lib/braid"
chmod 1777 "$root/tmp"
for folder in bin lib lib64; do
    ln -s "usr/$folder" "$root/$folder"
done
cp "$program" "$root/usr/local/bin/braid"
cp -L /usr/bin/busybox "$root/usr/bin/busybox"
for name in cat date df du env free head id kill ls ps rm sh sleep tail test top wget; do
    ln -s busybox "$root/usr/bin/$name"
done

# The paths as the loader finds them; versions of their packages, for who looks for known faults.
ldd "$program" /usr/bin/busybox | grep -o '/lib[^ ]*' | sort -u >libraries
while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
    realpath "$library"
done <libraries | xargs dpkg -S 2>/dev/null | cut -d: -f1 | sort -u |
    xargs dpkg-query -W ca-certificates busybox >"$root/usr/local/share/braid/packages"

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -L /etc/ssl/openssl.cnf "$root/etc/ssl/"
ln -s /etc/ssl/certs /etc/ssl/openssl.cnf "$root/usr/lib/ssl/"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp /etc/debian_version /etc/os-release "$root/etc/"
printf '%s\n' 'root:x:0:0::/root:/bin/sh' 'braid:x:10001:10001::/var/lib/braid:/bin/sh' \
    >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'braid:x:10001:' >"$root/etc/group"
chown 10001:10001 "$root/var/lib/braid"
