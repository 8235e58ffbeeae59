extends RefCounted
## The buffer of a CHUNK message to images. Runs on the client's thread.


## The frames, RGB8; an empty array for bytes that are no such frames.
static func decode(encoding: String, buffer: PackedByteArray, count: int, height: int, width: int) -> Array[Image]:
	if encoding == "rgb24":
		return _decode_raw(buffer, count, height, width)
	return _decode_jpeg(buffer, count, height, width)


static func _decode_raw(buffer: PackedByteArray, count: int, height: int, width: int) -> Array[Image]:
	var images: Array[Image] = []
	var size := height * width * 3
	if buffer.size() != count * size:
		return images
	for number: int in count:
		var data := buffer.slice(number * size, (number + 1) * size)
		images.append(Image.create_from_data(width, height, false, Image.FORMAT_RGB8, data))
	return images


static func _decode_jpeg(buffer: PackedByteArray, count: int, height: int, width: int) -> Array[Image]:
	var images: Array[Image] = []
	var none: Array[Image] = []
	var at := 4 * count
	if buffer.size() < at:
		return none
	for number: int in count:
		var length := buffer.decode_u32(4 * number)
		if length > buffer.size() - at or length == 0:
			return none
		var image := _decode_file(buffer.slice(at, at + length), height, width)
		if image == null:
			return none
		images.append(image)
		at += length
	return images if at == buffer.size() else none


static func _decode_file(file: PackedByteArray, height: int, width: int) -> Image:
	if not _is_jpeg_of(file, height, width):
		return null
	var image := Image.new()
	if image.load_jpg_from_buffer(file) != OK or image.get_width() != width or image.get_height() != height:
		return null
	if image.get_format() != Image.FORMAT_RGB8:
		image.convert(Image.FORMAT_RGB8)
	return image


## Whether the file says that it is a baseline or extended JPEG of that size, before a decoder allocates for it.
static func _is_jpeg_of(file: PackedByteArray, height: int, width: int) -> bool:
	if file.size() < 4 or file[0] != 0xFF or file[1] != 0xD8:
		return false
	var at := 2
	while at + 9 <= file.size() and file[at] == 0xFF:
		var marker := file[at + 1]
		if marker >= 0xC0 and marker <= 0xC2:
			return height == file[at + 5] << 8 | file[at + 6] and width == file[at + 7] << 8 | file[at + 8]
		var length := file[at + 2] << 8 | file[at + 3]
		if marker == 0xDA or length < 2:
			return false
		at += 2 + length
	return false
