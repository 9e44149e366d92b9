cd /
if [ -d /usr/lib/locale/C.utf8 ] || [ -d /usr/lib/locale/C.UTF-8 ]; then LC_ALL=C.UTF-8; else LC_ALL=C; fi
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
printf '\001repltool\n'
