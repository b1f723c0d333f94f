#!/bin/bash
# http-get.sh PORT PATH: one HTTP request to localhost without any other program.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 7
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
cat <&3
