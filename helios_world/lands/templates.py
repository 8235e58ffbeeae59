"""The shapes of captions, and the words that say nothing of the scene; only data. Starred as in lexicon.py.

Fields: {land} with its article, {bare} without, {tags} a comma list; {when}, {sky}, {air} of the moment.
In land forms: {name}, {place}, {trait}, {feature}, {other} (one more); {mood} and {realm} fit any land.
"""

from __future__ import annotations

from helios_world.lands.lexicon import words

BARE_FORMS = (
    "{place}",
    "{place}",
    "{mood} {place}",
    "{trait} {place}",
    "{trait} {place}",
    "{mood} {trait} {place}",
    "{trait} {realm}",
    "{trait}, {mood} {realm}",
    "{place} with {feature}",
    "{place} full of {feature}",
    "{realm} of {feature}",
    "{trait} {place} with {feature}",
    "{mood} {realm} with {feature} and {other}",
)

WHOLE_FORMS = ("{name}", "{feature}", "{feature} and {other}", "{name} with {feature}", "{feature}, {other}")

TAG_FORMS = (
    "{place}, {trait}",
    "{trait}, {place}, {feature}",
    "{feature}, {place}",
    "{trait}, {feature}",
    "{place}",
)

SCENES = words(
    """
        {land} {when} | {land} {when} | {land} {when} | {when}, {land} | {when} {land} | {land}, {air} |
        {air}, {land} | {sky} {bare} | {sky} {bare} | a {sky} {bare} | the {sky} {bare} | {bare}, {sky} |
        {sky}, {bare} | {bare} {sky} | {tags}, {sky} | {sky}, {tags} | {tags}, {air} | {air}, {tags} |
        {land} and {air} | {air} and {land} | {tags}, {when} | walking through {land} {when} | I am
        walking through {land}, {air} | take me to {land} {when} | show me {land} with {air} | let us go
        to {land} {when} | it is {sky} in {land} | it is {sky}, I am in {land} | there is {land} and {air}
        | {land} under {air} | {land} with {air} | {land} where it is {sky} | the {bare} {when} | the
        {bare} is {sky} | {when} in {land} | {air} over {land} | {air} above {land} | {land}. {air}. |
        {air}. {land}. | exploring {land} {when} | a walk in {land} {when} | I want to see {land} {when} |
        we are in {land} {when} | imagine {land} {when} | a video game level: {land}, {sky} | first person
        view of {land} {when} | change it to {land} {when} | now it should be {sky} in {land} | make it
        {sky}, {land} | a picture of {land} {when} | turn this into {land}, {sky} | I dreamt of {land}
        {when} | you stand in {land}; {air} | look at {land} {when} | somewhere in {land} {when} | a
        {mood} {realm}: {land}, {air} | wandering around {land} while it is {sky} | {land} - {sky} |
        {bare} / {sky} | running past {feature} {when} | nothing but {feature} and {air} | {sky} {realm}
        of {feature} | {feature} {when} | {trait} {realm} {when} | {trait} and {sky} | a {sky}, {trait}
        {realm} | {air} and {feature} | {name} {when} | {sky} {name} | strolling along {land} {when}* | a
        journey into {land}, {sky}* | bring me into {land} {when}* | {land} seen {when}* | it became {sky}
        over {land}* | somebody lost in {land}, {air}* | {air} around {feature}* | {land} ({sky})* | I
        would love {land} {when}* | we arrive at {land} {when}* | postcard from {land}: {sky}* | {sky} and
        {trait} {realm}* | {air} meets {land}* | could we have {land} {when}* | {feature} and {other}
        {when}* | a view on {land} having {air}* | {sky} {place}* | {trait} {place} {when}* | {place};
        {sky}* | from {land} one sees {air}*""",
    separator="|",
)

MOODS = words("""
        beautiful, quiet, vast, huge, empty, strange, mysterious, peaceful, lovely, old, big, large,
        wonderful, endless, silent, calm, magical, dreamy, magnificent, little, hidden, secret, nice,
        epic, stunning, amazing, cinematic, detailed, realistic, pretty, mighty, immense, famous, unknown,
        eerie, fantasy, lonely, creepy, weird, charming, grand, spacious, narrow, wide, small, tall,
        gigantic, colourful, colorful, scary, haunted, enchanted, mystical, safe, dangerous, serene,
        tranquil, cosy, surreal, abstract, stylised, ordinary, typical, perfect, special, fancy,
        fantastic, elegant, simple, complex, maze-like, mystic, medieval, precious, nicest,
        photorealistic, abandoned, deserted, far-away, legendary, real, imaginary, heavenly, cute, tiny,
        random, interesting, majestic*, gorgeous*, impressive*, sprawling*, remote*, pleasant*, curious*,
        remarkable*, unreal*, awesome*, splendid*, noble*""")

REALMS = words("""
        place, world, scene, landscape, area, level, map, realm, setting, environment, location, zone,
        spot, view, region, land, maze, labyrinth, scenery, domain, room, space, site, stage, biome, path,
        dungeon, universe, territory, corner, game world, arena, backdrop*, locality*, surroundings*,
        panorama*, terrain*, vista*""")

OPENERS = words("""
        please, hey, okay so, now, hello, pov, a video of, a photo of, camera moves through, gameplay of,
        can you show me, I want, the player explores, we see, once upon a time in, here is, just, well,
        give me, generate, render, dream of, start in, go to, welcome to, a short clip of, fly over, drone
        shot of, concept art of, an image of, slow walk through, imagine, dear computer, um, basically,
        next scene, new prompt, alternatively, a screenshot of*, kindly display*, try*, perhaps*, footage
        of*, depict*""")

CLOSERS = words(
    """
        4k | high quality | ultra detailed | unreal engine | first person view | pov | in a video game |
        highly realistic | please | and nobody is there | with great detail | as in a dream | camera
        slowly moving forward | trending | in the style of a film | with my friends | for a walk |
        masterpiece | wide angle | cinematic | and I feel good | retro game style | as far as I can see |
        smooth motion | 8k render | octane render | pixel art | with a long corridor | all around |
        forever | thank you | and walls | with sharp focus | for my voice over | if possible | and many
        corners | in front of me | everywhere | and nothing else | in stunning quality* | oil painting
        style* | while I keep moving* | all to myself* | low poly* | rendered nicely* | again*""",
    separator="|",
)
