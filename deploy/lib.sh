# shellcheck shell=bash
# Shared by deploy/push, deploy/up and deploy/down, which source it.
# Only results (digests, the URL) go to standard output. Messages for people go to standard error.

# Exit codes: one for each kind of failure, the same in all three commands.
# shellcheck disable=SC2034  # used by whoever sources this
readonly E_USAGE=2 E_TOOL=3 E_CREDENTIALS=4 E_REGION=5 E_AWS=6 \
  E_TREE=10 E_REPOSITORY=11 E_IMAGE=12 E_ENGINE=13 E_LOGIN=14 E_BUILD=15 E_PUSH=16 \
  E_DECLINED=20 E_STUCK=21 E_BUSY=22 E_FAILED=23 E_ORDER=24

exit_codes() {
  cat <<'TEXT'
Exit codes of deploy/push, deploy/up and deploy/down:
   2  the command line is wrong               13  the Docker engine does not answer
   3  a tool is missing                       14  the registry refuses the login
   4  no credentials, or expired ones         15  an image does not build
   5  no region                               16  an image cannot be pushed
   6  AWS refuses a call                      20  the change was not confirmed
  10  the working tree has changes,           21  a stack must be repaired before it can change
      or is not a git clone                   22  a stack is changing already
  11  a repository is missing                 23  a stack failed to change
  12  an image is missing                     24  something else has to be created or deleted first
TEXT
}

say() { printf '%s\n' "$*" >&2; }

# die CODE MESSAGE: ends the command. The message names the thing, the place and the next command to type.
die() {
  say "${0##*/}: $2"
  exit "$1"
}

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) ||
  die "$E_TOOL" "bash $BASH_VERSION is too old, 4.4 is needed; on macOS: brew install bash"

# A failure inside $(…) also ends the command.
shopt -s inherit_errexit

root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
readonly root
# One registry for the account and region, so that an environment runs by digest the image that another has tested.
# shellcheck disable=SC2034  # used by whoever sources this
readonly registry_stack=forum-registry

need() {
  local tool
  for tool; do
    command -v "$tool" >/dev/null || die "$E_TOOL" "$tool is not installed; deploy/README.md lists what is needed"
  done
}

# The names of the services: each has a file in deploy/services.
services() {
  local file
  for file in "$root"/deploy/services/*.json; do
    basename "$file" .json
  done
}

is_service() { [[ $1 =~ ^[a-z][a-z0-9-]*$ && -f $root/deploy/services/$1.json ]]; }

not_a_service() {
  die "$E_USAGE" "$1 is not a service, because there is no deploy/services/$1.json; the services are: $(services | paste -sd ' ' -)"
}

# Ends the command when two services have the same RulePriority. The listener would refuse the second stack.
distinct_priorities() {
  local shared
  shared=$(jq -rn '[inputs.Parameters | {Service, Priority: (.RulePriority | tonumber)}]
    | group_by(.Priority) | map(select(length > 1)) | first // empty
    | "RulePriority \(first.Priority) belongs to \(map(.Service) | join(" and to "))"' "$root"/deploy/services/*.json)
  [[ ! $shared ]] || die "$E_USAGE" "$root/deploy/services: $shared: each rule needs its own, give one of them another"
}

# The commit that is checked out. It is the tag of images.
head_revision() {
  need git
  git -C "$root" rev-parse --verify --quiet 'HEAD^{commit}' ||
    die "$E_TREE" "$root is no git clone with a commit, so there is no revision to name images by; clone the repository"
}

# try COMMAND…: runs it. Puts its output into $output and, when it fails, its messages into $complaint as one line.
try() {
  local stderr status=0
  stderr=$(mktemp)
  output=$("$@" 2>"$stderr") || status=$?
  complaint=$(tr -s '\n' ' ' <"$stderr" | sed 's/^ //; s/ $//')
  rm -f "$stderr"
  return "$status"
}

# refused WHAT: ends the command after a failed AWS call. The exit code depends on $complaint.
refused() {
  case $complaint in
    *"Unable to locate credentials"* | *NoCredentials* | *"config profile"*"could not be found"*)
      die "$E_CREDENTIALS" "no AWS credentials: $complaint; set AWS_PROFILE, or run: aws configure sso" ;;
    *ExpiredToken* | *"has expired"* | *InvalidClientTokenId* | *UnrecognizedClient* | *SignatureDoesNotMatch*)
      die "$E_CREDENTIALS" "AWS does not accept the credentials: $complaint; renew them: aws sso login" ;;
    *) die "$E_AWS" "$1: $complaint" ;;
  esac
}

# Finds account and region, or ends the command. Exports the region, because versions of the AWS CLI read different variables.
connect() {
  need aws
  export AWS_PAGER=""
  region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
  [[ $region ]] || die "$E_REGION" "no AWS region; set AWS_REGION, or run: aws configure set region eu-west-1"
  export AWS_REGION=$region AWS_DEFAULT_REGION=$region
  try aws sts get-caller-identity --query Account --output text || refused "asking AWS who we are in $region"
  account=$output
}

# repository SERVICE: puts its address into $output.
repository() {
  try aws ecr describe-repositories --repository-names "$1" --query 'repositories[0].repositoryUri' --output text && return
  case $complaint in
    *RepositoryNotFoundException*)
      die "$E_REPOSITORY" "no ECR repository $1 in account $account, region $region; create it: deploy/up registry" ;;
    *) refused "looking for the repository $1" ;;
  esac
}

# image SERVICE imageTag=TAG|imageDigest=DIGEST: puts the image's digest into $output. Fails when there is no such image.
image() {
  try aws ecr describe-images --repository-name "$1" --image-ids "$2" --query 'imageDetails[0].imageDigest' --output text && return
  case $complaint in
    *ImageNotFoundException*) return 1 ;;
    *RepositoryNotFoundException*)
      die "$E_REPOSITORY" "no ECR repository $1 in account $account, region $region; create it: deploy/up registry" ;;
    *) refused "looking for the image $1, $2" ;;
  esac
}

# stack STACK: puts its description into $output, as JSON. It is null when there is no such stack.
stack() {
  try aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0]' --output json && return
  case $complaint in
    *"does not exist"*) output=null ;;
    *) refused "looking for the stack $1" ;;
  esac
}

confirm() {
  local answer=""
  [[ ${yes:-} ]] && return
  read -r -p "$1 [y/N] " answer || say ""
  [[ $answer == [yY] || $answer == [yY][eE][sS] ]] || die "$E_DECLINED" "${2:-not confirmed, nothing was changed}; to skip the question: --yes"
}

# first_failure STACK: prints the first resource that failed by itself in the latest change, and the reason.
first_failure() {
  try aws cloudformation describe-stack-events --stack-name "$1" --output json || refused "reading the events of $1"
  jq -r '
    .StackEvents
    | (map(.ResourceType == "AWS::CloudFormation::Stack" and (.ResourceStatus | test("^(CREATE|UPDATE|DELETE)_IN_PROGRESS$")))
       | index(true)) as $start
    | .[:$start // length] | reverse
    | map(select((.ResourceStatus | endswith("_FAILED")) and (.ResourceStatusReason // "" | test("cancelled") | not)))
    | first // empty
    | "\(.LogicalResourceId) (\(.ResourceType)): \(.ResourceStatusReason // .ResourceStatus)"' <<<"$output"
}
