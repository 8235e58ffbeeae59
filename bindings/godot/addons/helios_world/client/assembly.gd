extends RefCounted
## Puts the messages of a chunk together; frames are decoded as they come.

const Frames := preload("frames.gd")
const Messages := preload("messages.gd")

## Bytes of the frames of one chunk, over all its messages.
const _MOST_BYTES := 1 << 29

## What the last message lacked; null if it was fine.
var fault: HeliosError

var _first: Messages.Chunk
var _images: Array[Image] = []
var _encoded: Array[PackedByteArray] = []
var _parts := 0
var _bytes := 0
var _decode_ms := 0.0


## The chunk if it is complete now. A message that is not the next one of its chunk is dropped.
func add(message: Messages.Chunk) -> HeliosChunk:
	fault = null
	if message.part == 0:
		_begin(message)
	elif _first == null or message.part != _parts or not _belongs(message):
		return null
	var chunk := message.chunk
	var before := Time.get_ticks_usec()
	var images := Frames.decode(chunk.encoding, message.buffers[0], message.frames, chunk.height, chunk.width)
	_decode_ms += (Time.get_ticks_usec() - before) / 1000.0
	if images.size() != message.frames:
		fault = HeliosError.of("protocol", "chunk %d holds no %s frames as it says" % [chunk.index, chunk.encoding])
		_first = null
		return null
	_bytes += message.frames * chunk.height * chunk.width * 3
	if _bytes > _MOST_BYTES:
		fault = HeliosError.of("too_large", "chunk %d has more than %d bytes of frames" % [chunk.index, _MOST_BYTES])
		_first = null
		return null
	_images.append_array(images)
	if chunk.encoding != "rgb24":
		_encoded.append(message.buffers[0])
	_parts += 1
	return _finish(message) if _parts == message.of else null


func _begin(message: Messages.Chunk) -> void:
	_first = message
	_images = []
	_encoded = []
	_parts = 0
	_bytes = 0
	_decode_ms = 0.0


func _belongs(message: Messages.Chunk) -> bool:
	var one := message.chunk
	var other := _first.chunk
	var is_one := message.seq == _first.seq and message.of == _first.of and one.encoding == other.encoding
	return (
		is_one
		and [one.epoch, one.index, one.height, one.width] == [other.epoch, other.index, other.height, other.width]
	)


## The last message tells the whole timing; the first one where the frames begin.
func _finish(message: Messages.Chunk) -> HeliosChunk:
	var chunk := message.chunk
	chunk.first_frame = _first.chunk.first_frame
	chunk.images = _images
	chunk.decode_ms = _decode_ms
	chunk.encoded = _encoded
	_first = null
	_images = []
	_encoded = []
	return chunk
