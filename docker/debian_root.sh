# debian_root.sh - a minimal Debian in a directory, for what wants a root of its own: the image of
# docker/image.sh and tests/debian13.sh. To be sourced; debootstrap needs root.

# debian_root SUITE DIRECTORY LOG: from the mirror that this machine installs Debian from; where apt
# knows none, debootstrap's own. What was at DIRECTORY is removed.
debian_root() {
    local suite=$1 root=$2 log=$3 mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' |
        head -n 1)
    rm -rf "$root"
    debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$log"
}
