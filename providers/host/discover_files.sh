# Looks at the files that the server reads when its configuration is reloaded, and when it is
# asked what they say (pg_file_settings, pg_hba_file_rules). Part of discover.sh. A FIFO or an
# endless file holds up whoever reads it, and no time limit or cancel request ends that: not a
# session's, and at a reload not the postmaster's. So they are looked at before the server is
# asked. What it can refuse by itself (a file that is absent or not readable, a directory, a
# file that includes itself) is left to it.

# whole PATH BY ends the search over a file that cannot be read to its end; true for one that
# there is to read. BY says what leads to it.
whole() {
  [ -e "$1" ] && ! [ "$1" -ef /dev/null ] || return 1
  [ ! -f "$1" ] || { [ -r "$1" ] && return; }
  if [ -p "$1" ]; then
    endless "$1" "$2" 'a FIFO'
  elif [ -c "$1" ] || [ -b "$1" ]; then
    endless "$1" "$2" 'a device'
  fi
  return 1
}

endless() {
  fail data "$1 is not a regular file: it is $3${2:+, and $2}" \
    "Replace it with a regular file, and do not reload or restart the server before: PostgreSQL would wait for $3 without end. Check it on that host: ls -lL $1"
}

# included answers of files, a line each of kind and path, those that they lead to: kind, path and
# what leads there. conf is a file of parameters, rules is pg_hba.conf or pg_ident.conf, only is one that
# includes nothing; conf_dir and rules_dir are directories of such.
included() {
  awk -F '\t' -v data="$DATA" '
  function put(kind, name, base) {
    if (name == "") return
    if (++puts > 2000) {
      print "many\t" file
      exit
    }
    if (name !~ /^\//) name = base "/" name
    print kind "\t" name "\t" file " line " line " names it"
  }
  function parameter(text, dir,  key) {
    sub(/^[ \t]+/, "", text)
    key = tolower(text)
    sub(/[^a-z_].*$/, "", key)
    if (key == "include" || key == "include_if_exists") put("conf", value(text), dir)
    else if (key == "include_dir") put("conf_dir", value(text), dir)
    else if (key == "hba_file" || key == "ident_file") put("rules", value(text), data)
    else if (key ~ /^ssl_.*_file$/) put("only", value(text), data)
  }
  '"$AWK_VALUE"'
  # rule cuts a line into words as hba.c does: quotes join, a comma separates, # ends it.
  function rule(text, dir,  i, c, word, quoted, n, words, at) {
    for (i = 1; i <= length(text) + 1; i++) {
      c = substr(text, i, 1)
      if (c == "\"") { quoted = !quoted; at = at || word == ""; continue }
      if (c == "" || !quoted && (c == "#" || c == "," || c == " " || c == "\t" || c == "\r")) {
        if (word ~ /^@./) put("rules", substr(word, 2), dir)
        if (word != "") words[++n] = word
        word = ""
        if (c == "" || c == "#") break
        continue
      }
      word = word c
    }
    if (n < 2) return
    if (words[1] == "include" || words[1] == "include_if_exists") put("rules", words[2], dir)
    else if (words[1] == "include_dir") put("rules_dir", words[2], dir)
  }
  {
    kind = $1
    file = $2
    dir = file
    sub(/\/[^\/]*$/, "", dir)
    line = 0
    whole = ""
    while ((getline text < file) > 0) {
      line++
      if (kind == "conf") parameter(text, dir)
      else {
        whole = whole text
        if (sub(/\\$/, "", whole)) continue
        rule(whole, dir)
        whole = ""
      }
    }
    close(file)
  }' 2>/dev/null
}

# expanded answers the same files, and those of their directories.
expanded() {
  while IFS=$tab read -r kind f by; do
    case $kind in
      *_dir) for i in "$f"/*.conf; do printf '%s\t%s\t%s\n' "${kind%_dir}" "$i" "$by"; done ;;
      ?*) printf '%s\t%s\t%s\n' "$kind" "$f" "$by" ;;
    esac
  done
}

# check_files ends the search over a file that would hold up the server. PostgreSQL follows ten
# levels of inclusion, which is without end where files include each other often enough.
check_files() {
  level=$(printf '%s\t%s\n' conf "$CONF/postgresql.conf" conf "$DATA/postgresql.auto.conf" rules "$HBA" rules "$CONF/pg_ident.conf")
  for depth in 0 1 2 3 4 5 6 7 8 9 10; do
    next=''
    while IFS=$tab read -r kind f by; do
      [ "$kind" != many ] ||
        fail data "the files that the server reads include each other too often: more than 2000 are to be read" \
          "Remove from $f the lines by which it leads to itself, and do not reload or restart the server before: PostgreSQL would read it without end."
      whole "$f" "$by" || continue
      [ "$kind" = only ] || next="$next$kind$tab$f
"
    done <<FILES
$(printf '%s\n' "$level" | expanded)
FILES
    [ -n "$next" ] || return 0
    level=$(printf '%s' "$next" | included)
  done
}
