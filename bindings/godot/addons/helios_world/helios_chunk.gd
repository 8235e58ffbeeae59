@icon("icons/helios_world.svg")
class_name HeliosChunk
extends RefCounted
## Consecutive frames, and what they were made with.

## 0 for the chunk of a reset, then 1, 2 …
var index := 0
## Grows with every reset and restore.
var epoch := 0
## How many frames of the world came before the first one here.
var first_frame := 0
## Of a frame, in pixels.
var height := 0
## Of a frame, in pixels.
var width := 0
## "rgb24" or "jpeg": how the frames travelled.
var encoding := ""
## The frames, RGB8, decoded. They are shared: change a duplicate.
var images: Array[Image] = []
## For "jpeg" the buffers as they came, one per message; empty for "rgb24", where the images hold those bytes.
var encoded: Array[PackedByteArray] = []
## What was held while it was made.
var action := HeliosAction.new()
## The prompts and their shares: pairs of text and a number from 0 to 1.
var prompt: Array[Array] = []
## Milliseconds: "encode", "denoise" (one per stage), "decode", "total".
var timing := {}
## Milliseconds that the request, or the credit, waited at the server.
var queue_ms := 0.0
## Stream mode: milliseconds that the oldest change of input that it shows waited at the server; -1: nothing changed.
var input_ms := -1.0
## Stream mode: the number of the newest input in it; 0: none yet.
var applied := 0
## Milliseconds that the client's thread took to make the images.
var decode_ms := 0.0

## How many frames there are.
var frames: int:
	get:
		return images.size()


## The text with the greatest share; "" for a world without words.
func main_prompt() -> String:
	var best := ""
	var most := 0.0
	for pair: Array in prompt:
		if pair[1] >= most:
			best = pair[0]
			most = pair[1]
	return best


## SHA-256 of the frames as they travelled, in hexadecimal: equal chunks have equal ones.
func sha256() -> String:
	var context := HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	if encoded.is_empty():
		for image: Image in images:
			context.update(image.get_data())
	for buffer: PackedByteArray in encoded:
		context.update(buffer)
	return context.finish().hex_encode()
