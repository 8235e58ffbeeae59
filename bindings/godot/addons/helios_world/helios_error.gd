@icon("icons/helios_world.svg")
class_name HeliosError
extends RefCounted
## What went wrong.
##
## [member code] is the server's ("action", "prompt", "limit" …) or the client's own: "timeout" (no answer in time),
## "connection" (no server, or lost and not found again in time), "protocol" (what came breaks the rules), "too_large",
## "usage" (called wrongly).

## For programs.
var code := ""
## For a person: the value, and the way out.
var message := ""
## The same may succeed later.
var retryable := false


static func of(error_code: String, error_message: String, is_retryable: bool = false) -> HeliosError:
	var error := HeliosError.new()
	error.code = error_code
	error.message = error_message
	error.retryable = is_retryable
	return error


func _to_string() -> String:
	return "%s: %s" % [code, message]
