# Builds all images for both platforms with buildx. From the repository root:
#
#   REVISION=$(git rev-parse HEAD) docker buildx bake -f docker/docker-bake.hcl
#
# For an engine that can store only one platform at a time, add
# --load --set '*.platform=linux/arm64'. The tests read this file but do not run it.

variable "REVISION" {
  default = "unknown"
}

# The URL of the sources, for the images' labels.
variable "SOURCE" {
  default = ""
}

group "default" {
  targets = ["users", "threads", "posts", "alb"]
}

target "image" {
  context    = "."
  dockerfile = "docker/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  args = {
    REVISION = REVISION
    SOURCE   = SOURCE
  }
}

target "users" {
  inherits = ["image"]
  target   = "users"
  tags     = ["users"]
}

target "threads" {
  inherits = ["image"]
  target   = "threads"
  tags     = ["threads"]
}

target "posts" {
  inherits = ["image"]
  target   = "posts"
  tags     = ["posts"]
}

target "alb" {
  inherits = ["image"]
  target   = "alb"
  tags     = ["alb"]
}
