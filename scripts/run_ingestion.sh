#!/usr/bin/env bash
# Ingests quotes into the raw bucket: on the EC2 host, and in any checkout of the project.
#
#   RAW_BUCKET   the bucket of the data, as Terraform's output raw_data_bucket names it
#   TICKERS      codes of the exchange with commas between: PETR4,VALE3; with SINCE=last those
#                that the bucket holds, unless set
#   START_DATE   first session, YYYY-MM-DD
#   END_DATE     last session, itself included
#   SOURCE       where quotes come from; yahoo unless set
#   FALLBACK     cotahist: where quotes come from if Yahoo refuses (429); daily bars alone
#   INTERVAL     length of a bar, such as 60m; a day unless set
#   SINCE        last: each ticker from its own last session in the bucket on; needs no dates
#   REPLACE      1: load histories that another source has written anew, as a whole
#   RESUME       1: complete what was cut off or has gaps; needs RAW_BUCKET alone
#
# Exit code: 0 complete, 2 a variable is missing or makes no sense, 3 written with gaps,
# 1 whatever else failed.
set -euo pipefail

home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source=${SOURCE:-yahoo}
# The project is where this script lies, whatever folder it is called from.
export B3_HOME=${B3_HOME:-$home}

refuse() {
  printf 'error: %s\n  try: %s\n' "$1" "$2" >&2
  exit 2
}

example="RAW_BUCKET=my-bucket TICKERS=PETR4,VALE3 START_DATE=2024-01-02 END_DATE=2024-06-28 $0"
needed=(RAW_BUCKET TICKERS START_DATE END_DATE)
[ "${SINCE:-}" != last ] || needed=(RAW_BUCKET)
[ "${RESUME:-}" != 1 ] || needed=(RAW_BUCKET)
for name in "${needed[@]}"; do
  [ -n "${!name:-}" ] || refuse "$name is not set." "$example"
done
for name in START_DATE END_DATE; do
  [ -n "${!name:-}" ] || continue
  [[ ${!name} =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] ||
    refuse "$name is '${!name}', which is no date." "YYYY-MM-DD, such as 2024-01-02."
done
[ -z "${START_DATE:-}" ] || [ -z "${END_DATE:-}" ] || [[ ! $START_DATE > $END_DATE ]] ||
  refuse "START_DATE $START_DATE lies after END_DATE $END_DATE." "exchange the two."

if [ -x "$home/.venv/bin/b3" ]; then
  b3=$home/.venv/bin/b3
elif ! b3=$(command -v b3); then
  refuse "the package is not installed: there is no b3 in $home/.venv nor on the PATH." \
    "make env, or on the EC2 host look into /var/log/cloud-init-output.log."
fi

where=(--target "${B3_TARGET:-aws}" --bucket "$RAW_BUCKET")
if [ "${RESUME:-}" = 1 ]; then
  echo "Resuming the newest incomplete batch of s3://$RAW_BUCKET."
  exec "$b3" resume "${where[@]}"
fi
span=${SINCE:+after the last session in it}
echo "Ingesting ${TICKERS:-what it holds} from $source, ${span:-$START_DATE to $END_DATE}, into s3://$RAW_BUCKET."
replace=
[ "${REPLACE:-}" != 1 ] || replace=--replace
exec "$b3" ingest "${where[@]}" --source "$source" ${TICKERS:+--tickers "$TICKERS"} \
  ${SINCE:+--since "$SINCE"} ${replace:+"$replace"} \
  ${START_DATE:+--start "$START_DATE"} ${END_DATE:+--end "$END_DATE"} \
  ${INTERVAL:+--interval "$INTERVAL"} ${FALLBACK:+--fallback "$FALLBACK"}
