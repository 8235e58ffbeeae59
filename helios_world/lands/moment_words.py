"""What can be said of each moment of the day or weather; only data. See lexicon.py for the notation."""

from __future__ import annotations

from helios_world.lands.lexicon import MomentWords, words

NOON = MomentWords(
    whens=words("""
        while the sun shines, as the sun shines brightly, without clouds, with no clouds in the sky, with
        not a cloud to be seen, free of clouds, in pleasant sunshine, at the height of summer, at the
        hottest hour, at lunch, at 11 am, at 2 pm, in the sun, in summer, on a hot summer day, by broad
        day, in spring sunshine, before lunch, during lunch break, when the day is brightest, in the light
        of day, at noon, at midday, in broad daylight, in the middle of the day, in the daytime, by day,
        during the day, at high noon, at twelve o'clock, at lunchtime, in the morning, in morning light,
        in the afternoon, under a clear blue sky, under the high sun, under a blazing sun, under a
        cloudless sky, on a sunny day, on a bright day, on a clear day, on a fine summer day, in full sun,
        in the sunshine, in bright sunlight, with the sun overhead, when the sun is high, when the sun is
        at its highest, at 12 pm, in plain daylight, in clear weather, under an azure sky, at 1 pm, by
        daylight, on a fair day, in bright light, in sunny weather, under the midday sun, under blue
        skies, in the bright sun, today at noon, in the glare of the sun, in strong daylight, around
        midday, shortly after noon, in the heat of the day, in good weather, on a beautiful day, on a
        bright morning, on a sunny morning, on a sunny afternoon, in dazzling light, mittags, à midi, al
        mediodía, in early afternoon, in late morning, at noontime*, at noonday*, in brilliant sunshine*,
        in midday light*, in daylight*, on a cloudless day*, under a bright sun*, under a bright blue
        sky*, in the noon sun*, on a bright sunny day*, in the sunlight*, under a sunny sky*, at the
        height of day*, on a clear sunny morning*, in full daylight*, during daytime*, with the sun high
        above*, in clear daylight*"""),
    skies=words("""
        sun-warmed, light-filled, clear of clouds, free of clouds, bright as day, sunshine-filled,
        day-lit, bright and clear, sunny, bright, sunlit, clear, daylit, cloudless, sun-drenched,
        brightly lit, sunshiny, radiant, brilliant, midday, noontime, daytime, diurnal, sun-filled,
        sun-washed, blue-skied, noon, sunlight, well-lit, dazzling, sun-bathed, daylight, clear-skied,
        clear and sunny, bright and sunny, full of sunlight, summery, morning, shadeless, sun-kissed,
        high-noon, crisp and clear, noonday*, sun-soaked*, sunlight-filled*, sun-flooded*, day-bright*,
        brightened*, midday-lit*, cloud-free*, bright-lit*, sunniest*, daylight-flooded*, clear-weather*,
        sun-splashed*"""),
    airs=words("""
        no clouds, not a cloud, pleasant sunshine, sunshine everywhere, a shining sun, glaring sun,
        lots of sun, vivid daylight, a sky without clouds, cheerful sunshine, the light of day, the
        sun shining, hot summer
        sun, a sky free of clouds, rays of sunshine, a day without a cloud, bright sunshine, broad
        daylight, a clear blue sky, a blue sky, blue skies, full sun, a high sun, daylight, a cloudless
        sky, strong sunlight, short shadows, an azure sky, clear weather, summer sun, sunbeams, day,
        morning light, noon, midday, sunshine, sunlight, a bright sky, a bright day, a sunny day, a clear
        sky, noon light, a blazing sun, the sun overhead, the midday sun, hard bright light, crisp
        daylight, fine weather, a light blue sky, a perfect summer day, sun rays from above, not a cloud
        in the sky, sunny weather, high sun, clear skies, daytime, noonday sun*, brilliant sunlight*,
        sunny skies*, a bright blue sky*, a sunny sky*, bright daylight*, clear sunlight*, a clear bright
        day*, midday light*, dazzling sunshine*, a cloudless blue sky*, a noon sky*, warm sunshine*, a
        high bright sun*"""),
)

SUNSET = MomentWords(
    whens=words("""
        as the sun sinks, while the sun sinks behind the horizon, when the sun has almost set, as the sun
        dips below the horizon, as day turns to night, at the close of the day, towards evening, in the
        low sun, when shadows grow long, as the light fades, at the break of day, as a new day dawns, at
        the end of a long day, as the sun disappears, while the sky glows red, just after sunset, when the
        sun is going down, in the sunset, when the lights of evening come on, at sunset, at dusk, at dawn,
        at sunrise, in the evening, at twilight, during golden hour, at the golden hour, at sundown, in
        the evening light, under an orange sky, under a red sky, in the last light, as the sun goes down,
        as the sun sets, while the sun is setting, when the sun is low, under a low sun, in the afterglow,
        in the late evening, at day's end, at the end of the day, late in the day, at daybreak, at first
        light, as the day fades, with the sun on the horizon, under a burning sky, under a crimson sky, in
        warm evening light, in golden light, under a pink sky, just before dark, in the light of the
        setting sun, with the sun low, at 7 pm, before nightfall, while the day ends, as the sun rises, in
        amber light, under a fiery sky, in the fading light, as evening falls, around sunset, this
        evening, in the gloaming, with the sky on fire, when the sky turns orange, when the sky is red, as
        dusk falls, bei Sonnenuntergang, al atardecer, au coucher du soleil, in the last sunlight, at
        eventide, in late afternoon gold, under a sunset sky*, at the setting of the sun*, in the dusk*,
        in sunset light*, in the twilight*, at early evening*, under an orange evening sky*, as the sun
        sinks low*, in the orange light*, under a reddening sky*, in the setting sun*, in the golden
        evening*, during sunset*, during twilight*, as the evening comes*, in the last rays of sun*, at
        golden dusk*"""),
    skies=words("""
        glowing red, dimming, late-evening, sun-setting, evening-red, fading, orange and pink, lit by the
        setting sun, sunset, dusky, twilit, orange-skied, golden, amber, sunset-lit, evening, dawn-lit,
        golden-hour, dusk, twilight, reddened, golden-lit, sunset-coloured, orange-lit, warm-lit,
        amber-lit, crepuscular, red-skied, sundown, sunrise, dawn, glowing orange, warm and golden,
        pink-skied, fiery-skied, low-sun, vespertine, almost dark, getting dark, gilded, copper-lit,
        sunset-tinted*, duskier*, evening-lit*, twilight-lit*, golden-skied*, dusk-lit*, sunset-orange*,
        amber-skied*, sunset-glowing*, evening-time*, orange-glowing*, sundown-lit*"""),
    airs=words("""
        twin suns setting, a descending sun, the sun going down, a big red sun, an orange glow, evening
        red, a sky on fire, evening colours, pink and orange clouds, the sun sinking, the sun setting,
        evening sunlight, dawn light, morning red, a sky turning pink, a setting sun, the setting sun, a
        sunset, an orange sky, a low sun, golden light, warm evening light, long shadows, a red sky, a
        pink sky, sunset colours, a glowing horizon, dusk, twilight, evening, last rays of the sun, amber
        light, golden hour, evening light, a crimson sky, an amber sky, the sun on the horizon, sunset,
        sundown, the evening sun, a rising sun, a burning sky, orange light, warm light, a fiery sky, red
        clouds of sunset, orange dusk, sunrise, dawn, the last light of the day, the afterglow, a
        peach-coloured sky, a golden sky, low orange sun, evening glow, gloaming, a violet dusk, the end
        of the day, an evening sky, rosy dusk, vermilion sky, crimson light, a sunset sky*, orange evening
        light*, the sinking sun*, a golden sunset*, an orange horizon*, a low evening sun*, red dusk*, the
        setting sunlight*, golden evening light*, a dusky sky*, a reddish sky*, warm sunset light*, a
        twilight sky*, orange sunset*"""),
)

NIGHT = MomentWords(
    whens=words("""
        on new year's eve, on Halloween night, under a million stars, while the moon shines, under the
        northern lights, under the constellations, in the cold night, on a cold night, during a full moon
        night, at 1 am, when all lights are off, in pitch darkness, under shooting stars, late in the
        evening when the moon is up, on a warm night, in a starry night, in the darkest hour, at night, at
        midnight, in the night, by night, after dark, under the stars, under a starry sky, under the moon,
        in moonlight, by moonlight, in the dark, in the dead of night, late at night, during the night,
        under a full moon, at 2 am, in darkness, in the small hours, under a black sky, tonight, past
        midnight, at 3 am, after midnight, in the pale moonlight, at bedtime, when the moon is out, when
        the stars are out, while everyone sleeps, under the milky way, under a crescent moon, at 11 pm, at
        nighttime, on a starry night, on a moonlit night, on a dark night, on a clear night, by starlight,
        at witching hour, in the middle of the night, under the night sky, when it is dark, in deep night,
        under a dark sky, on a summer night, on a quiet night, until midnight, lit by the moon, with the
        moon above, nachts, de noche, la nuit, in the blackness, at lights out, in the nighttime*, in
        starlight*, under the moonlight*, at dead of night*, on a starlit night*, under moon and stars*,
        under a night sky full of stars*, in the dark of night*, around midnight*, late in the night*,
        under a moonlit sky*, in the midnight hours*, under bright stars*, in the moonlight*, through the
        night*, under a bright moon*, well after midnight*"""),
    skies=words("""
        star-spangled, moonlight-filled, dark as night, nightly dark, moon-filled, moonshiny, dark and
        moonlit, ink-black, very dark, moonlit, starry, nocturnal, dark, starlit, midnight, nighttime,
        night, moonlight, pitch-dark, night-time, black-skied, darkened, star-filled, moon-washed, dark
        and starry, moonlit and quiet, inky, lightless, pitch-black, unlit, sleepless, star-covered,
        overnight, night-dark, sleeping, late-night, lunar, shadowy, black as night, moon-bright*,
        nightly*, star-lit*, nightbound*, star-bright*, midnight-dark*, moon-lit*, starriest*, darkest*,
        night-shrouded*, moonlight-washed*, star-strewn*"""),
    airs=words("""
        a million stars, the aurora, fireflies, the Big Dipper, a black night, lunar light, the night
        hours, dark hours, star and moon, the light of the moon, moonglow, a dark midnight, the darkness
        of night, a cold night, stars all over the sky, a warm night, a starry sky, stars, a full moon,
        moonlight, darkness, a night sky, a dark sky, bright stars, constellations, the milky way, a
        crescent moon, starlight, midnight, the moon, night, a moonlit sky, a sky full of stars, a black
        sky, the dark, nighttime, thousands of stars, a silver moon, a half moon, a new moon, shooting
        stars, a dark night, deep night, a starry night, moonshine, the dark of night, pale moonlight,
        twinkling stars, a moonlit night, the stars above, nightfall, galaxies, the northern stars, starry
        night*, a bright moon*, a starlit sky*, the night*, moonbeams*, countless stars*, a midnight sky*,
        moon and stars*, a star-filled sky*, night darkness*, the full moon*, a dark starry sky*, silver
        moonlight*, stars overhead*"""),
)

FOG = MomentWords(
    whens=words("""
        blurred by fog, while everything disappears in fog, when you can't see a thing, in November
        weather, on a wet day, in autumn mist, obscured by haze, through the rain, on a foggy morning, on
        a misty morning, in the morning mist, disappearing in the mist, on a foggy evening, hidden by
        mist, in cloudy weather, under clouds, in hazy weather, with thick clouds, full of mist, in the
        smog, in fog, in the fog, in mist, in thick fog, in the haze, on a foggy day, in heavy mist, under
        an overcast sky, under a grey sky, on a cloudy day, in low visibility, in the murk, on a misty
        day, in dense fog, lost in fog, wrapped in mist, in the mist, shrouded in fog, under heavy clouds,
        in a whiteout, through the fog, in a thick haze, covered in fog, on a grey day, under a gray sky,
        in drizzle, on a rainy day, in dull weather, on an overcast day, in gloomy weather, in bad
        weather, surrounded by fog, veiled in mist, in smoke, in smog, on a hazy day, hidden in clouds, in
        foggy weather, in the clouds, under thick cloud cover, in the rain, when fog rolls in, when it is
        misty, when you cannot see far, with fog everywhere, in a cloud of mist, swallowed by fog, in poor
        visibility, im Nebel, dans le brouillard, en la niebla, on a dreary day, in misty weather*,
        through thick mist*, in the foggy air*, in hazy air*, under low grey clouds*, deep in fog*, in a
        dense mist*, on a murky day*, in drifting fog*, through the haze*, in a foggy haze*, lost in the
        mist*, under a cloudy sky*, in heavy fog*, beneath grey clouds*, in a sea of fog*, on a gray and
        misty day*"""),
    skies=words("""
        fogbound, full of fog, full of mist, obscured, opaque, blurred, cloud-wrapped, drowned in fog,
        hazed, clouded over, pale and grey, foggy, misty, hazy, murky, overcast, cloudy, grey, gloomy,
        smoky, cloud-covered, vaporous, mist-shrouded, fog-bound, smoggy, drizzly, steamy, fogged,
        mist-filled, fog-filled, gray, dim and foggy, fog-covered, rainy, clouded, blurry with fog, damp,
        fog-wrapped, dull and grey, thick with fog, misted, soupy, dreary, milky, fuzzy with mist,
        nebulous, brumous, wet, fog-shrouded*, mist-covered*, mistier*, foggiest*, haze-filled*,
        fog-laden*, cloudier*, mist-veiled*, grey and foggy*, misty and grey*, fog-veiled*, haze-covered*"""),
    airs=words("""
        morning mist, blurred outlines, misty rain, clouds of steam, white fog, mist everywhere, cloud
        cover, opaque air, morning fog, evening mist, a cloud of fog, a lot of clouds, hazy light, dust
        and haze, cold mist, a misty morning, fog in the air, mist in the air, fog, mist, haze, thick fog,
        dense fog, a grey sky, low clouds, heavy clouds, smoke, smog, drifting mist, poor visibility, a
        blanket of fog, a veil of mist, pea soup fog, drizzle, clouds, grey clouds, low visibility, fog
        everywhere, heavy fog, a gray haze, swirling mist, rolling fog, a whiteout, an overcast sky, foggy
        weather, steam, vapour, a foggy day, a wall of fog, white mist, creeping fog, murk, a misty haze,
        a cloudy sky, dull light, grey weather, soft grey light, fog banks, rain, fog so thick you cannot
        see, humid haze, volumetric fog, gloom, brume, foggy air*, thick mist*, dense haze*, hazy air*,
        misty air*, a foggy sky*, a sea of mist*, foggy haze*, cloudy skies*, gray fog*, a thick cloud of
        fog*, wisps of mist*, a curtain of fog*, fog and mist*"""),
)

MOMENT_WORDS = (NOON, SUNSET, NIGHT, FOG)
