#!/bin/sh
# Writes the completion scripts of bash, zsh and fish into a folder, where a package takes them from.
# Usage: packaging/completions.sh path/to/tenantry FOLDER
set -eu
program=$1 folder=$2
mkdir -p "$folder"
"$program" completions bash > "$folder/tenantry.bash"
"$program" completions zsh > "$folder/_tenantry"
"$program" completions fish > "$folder/tenantry.fish"
