"""What can be seen in each land; only data. See lexicon.py for the notation."""

from __future__ import annotations

from helios_world.lands.lexicon import LandWords, words

GARDEN = LandWords(
    names=words("""
        Hobbiton, Hampton Court, the Cotswolds, Sherwood Forest, the Luxembourg gardens, Kyoto's moss
        garden, the Garden of England, Versailles, Kew Gardens, Tuscany, Provence, Eden, the Garden of
        Eden, the Secret Garden, Kensington Gardens, the Shire, Sissinghurst, Bruges, the Alhambra
        gardens, Wonderland's hedge maze, the Tuileries garden*, Boboli Gardens*, the English countryside,
        Highgrove garden*"""),
    places=words("""
        abbey garden, monastery garden, picnic lawn, plant nursery, vegetable patch, maze of hedges, maze
        of bushes, hobbit village, green labyrinth, spring meadow, golf course, playground, zen garden,
        duck pond, barn, stable, windmill, school yard, villa garden, park maze, grandma's garden, brick
        building, brick tower, brick archway, brick tunnel, garden wall, brick wall, flower meadow, hay
        field, stable yard, garden, brick garden, park, lawn, orchard, courtyard, hedge maze, walled
        garden, rose garden, kitchen garden, botanical garden, vineyard, backyard, back garden, patio,
        terrace, meadow, greenhouse, arboretum, allotment, cloister garden, herb garden, flower garden,
        grove, topiary maze, yard, village green, English garden, glade, cottage garden, farmyard, garden
        maze, garden labyrinth, brick labyrinth, brick courtyard, brick maze, farm, brick corridor, brick
        cloister, red brick maze, green maze, grass maze, forest garden, woodland garden, lawns, jungle of
        a garden, wood, forest, woodland, jungle, clearing, copse, thicket, hedgerow, pasture, field of
        grass, green field, greenery, gardens, parks, hedges, public garden, city park, palace garden,
        temple garden, villa, brick villa, brick house, farmhouse, cottage, countryside, nature reserve,
        garden path, brick alley, bower, brick path, garden court, conservatory, winery, apple orchard,
        cherry orchard, olive grove, yard of red brick, garden of brick walls, jardin, Garten, Park mit
        Rasen, brick ruin overgrown with ivy, parkland*, garden terrace*, hedge labyrinth*, grassland*,
        brick patio*, hedge garden*, tea garden*, brickyard*, lawn garden*, vegetable garden*, orchard
        garden*, park of hedges*, gardenscape*, grassy yard*, wooded park*, bricked courtyard*, brick
        terrace*, rose arbour garden*, green courtyard*, meadowland*, botanic gardens*, garden city park*,
        walled orchard*, flower park*"""),
    traits=words("""
        ivy-grown, rose-scented, hedge-bordered, overgrown with ivy, green and leafy, brick and ivy,
        plant-rich, agricultural, woodsy, leafy, green, verdant, lush, grassy, brick, red-brick, red
        brick, brick-built, bricked, ivy-clad, ivy-covered, mossy, flowery, blooming, blossoming,
        flowering, overgrown, hedged, planted, landscaped, manicured, trimmed, botanical, floral,
        fragrant, herbaceous, fertile, pastoral, rural, Victorian, English, Tudor, Georgian, masonry,
        terracotta, clay-brick, grass-covered, tree-lined, bushy, gardened, brick-walled, brick-paved,
        rose-filled, plant-filled, well-tended, vegetated, vernal, springlike, wooded, forested, rustic,
        bucolic, leaf-covered, emerald, grass-green, green-lawned, weedy, horticultural, garden-like,
        brickwork, wild-flowered, viny, flower-filled*, green-hedged*, grass-grown*, moss-covered*,
        brick-lined*, park-like*, red-bricked*, hedge-lined*, ivied*, flower-strewn*, tree-filled*,
        leaf-strewn*, plant-covered*, bloom-filled*, rose-covered*, woody*"""),
    features=words("""
        beds of roses, cherry blossoms, a barbecue, bonsai, mushrooms, a scarecrow, hay, sheep, cows,
        chickens, beehives, a picnic, rosebush, a treehouse, ladybirds, herbs, mint and thyme, gardeners,
        a swing, berries, apples, strawberries, ducks, frogs, willow trees, a bench, walls made of brick,
        brick and ivy, a lawnmower, red brick, brick, hedge, bush, flower, rose, leaf, tree, watering
        cans, snails, spring blossom, red brick walls, brick walls, green grass, clipped hedges, flower
        beds, roses, tulips, apple trees, ivy, lawns, bushes, shrubs, brick paths, terracotta pots, brick
        arches, vines, boxwood, oak trees, leaves, foliage, plants, greenery, trees, butterflies, bees,
        lavender, daisies, clover, moss, turf, bricks and mortar, masonry walls, garden gates, trellises,
        pergolas, a birdbath, garden gnomes, wheelbarrows, vegetables, tomatoes, pumpkins, hedges, tall
        hedges, green hedges, walls of red brick, old brickwork, clay bricks, red bricks, grass, flowers,
        blossoms, fresh leaves, cherry trees, green leaves, potted plants, hedge walls, soft grass,
        lilies, ferns, sunflowers, orchids, birdsong, songbirds, squirrels, rabbits, green lawns, mown
        grass, ivy on brick, weeds, a picket fence, rows of vines, fruit trees, birches, maples, a garden
        bench, dandelions, peonies, jasmine, brick columns*, brick pillars*, rose bushes*, green bushes*,
        grass paths*, leafy hedges*, flowering shrubs*, brick masonry*, hedgerows*, lawn and hedges*,
        mossy bricks*, rose beds*, brick steps*, flowerbeds*, rosebuds*, brick facades*, ivy leaves*, pear
        trees*, tufts of grass*, flowerpots*, bushes and trees*, plants and moss*"""),
)

DESERT = LandWords(
    names=words("""
        Mars, Mad Max, Athens, Rome, Troy, Timbuktu, Tunisia, Algeria, Oman, the Dead Sea, Death Valley,
        Nevada, Namibia, the Acropolis, the Colosseum, Cleopatra's Egypt, Atlantis in the sand, Texas,
        Mexico, Jerusalem, the Parthenon, Egypt, the Sahara, Luxor, Giza, Petra, Karnak, Mesopotamia, the
        Nile valley, Arabia, Arrakis, Dune, the Namib, the Gobi, Persepolis, Babylon, the Sinai, Jordan,
        Morocco, the Mojave, the Atacama, Tatooine, the Kalahari, the Valley of the Kings, Ancient Egypt,
        ancient Greece, Pompeii, Arizona, Palmyra, the Saharan dunes*, old Arabia*, the Gobi desert*, the
        Egyptian sands*, Thebes in Egypt*, Indiana Jones' lost temple"""),
    places=words("""
        mummy's tomb, wild west town, ghost town, western canyon, bazaar, temple of Ra, gladiator arena,
        ancient city, quarry, gravel pit, pyramid chamber, buried temple, sand cave, dune valley, temple
        court, ancient ruins, pile of rubble, columned ruin, dune landscape, sandy place, desert, dunes,
        desert ruins, ruins, ruin, temple, ancient temple, pyramid, tomb, oasis, wasteland, badlands,
        canyon, sand sea, wadi, caravanserai, archaeological site, excavation site, necropolis, sanctuary,
        dry land, drylands, barrens, mesa, amphitheatre, forum, colonnade, acropolis, mausoleum, catacomb,
        ziggurat, shrine, obelisk court, sandstone maze, lost city in the sand, sand dunes, sandy desert,
        desert temple, ruined temple, ruined city in the desert, dune field, dune sea, stone ruins,
        sandstone ruins, sandstone canyon, sunken temple, pharaoh's tomb, burial site, desert canyon,
        sandbox, sand pit, steppe, salt flat, dust bowl, desert valley, desert plain, ruined colonnade,
        columned hall, hypostyle hall, broken temple, sand-filled temple, crypt, Roman ruins, Greek
        temple, Egyptian temple, old ruins, antique ruins, rubble field, sand-swept court, beach, fallen
        empire, lost civilization, dig site, desert castle ruin, desert garden, sand palace, desert city,
        outback, ruined palace, cactus field, mirage, Wüste, désert, desierto, planet of sand, sandscape*,
        desert sands*, temple ruins*,, desert dunes*, sand desert*, ruined sanctuary*,
        sandy wasteland*, dry canyon*, sandstone temple*, desert oasis*, desert tomb*, sand valley*,
        columned temple*, pyramid field*, dusty ruins*, desert land*, sandlands*, ruined shrine*, pyramid
        complex*, rocky desert*"""),
    traits=words("""
        sun-scorched sand, western, sandier, ruined stone, sand-dusted, dune, Tunisian, Sumerian,
        fossilised, pyramid-like, in ruins, sandy, arid, ancient, dry, dusty, parched, ruined, crumbling,
        barren, Egyptian, Saharan, Arabian, sandstone, desolate, forsaken, weathered, archaeological,
        pharaonic, antique, classical, Roman, Greek, biblical, Bedouin, Mesopotamian, scorched, waterless,
        rainless, drought-stricken, eroded, half-buried, beige, ochre, tumbledown, collapsed, prehistoric,
        torrid, hot, scorching, sweltering, desert, dune-filled, sand-covered, sand-filled, sand-blown,
        sand-buried, tawny, sand-coloured, columned, pillared, thirsty, bone-dry, dried-out, cracked,
        timeworn, age-old, millennia-old, cactus-dotted, desertlike, Persian, Babylonian, Numidian, rocky,
        sandblasted, broken-down, dilapidated, ruinous, boiling hot, mummified, dusty old, sand-yellow,
        Moroccan, desert-like*, sand-swept*, dust-covered*, sandstone-built*, dry and sandy*,
        ruin-strewn*, dune-like*, aridest*, duney*, sand-strewn*, dust-dry*, temple-like*,
        pyramid-shaped*, ruined and sandy*, Egypt-inspired*"""),
    features=words("""
        archaeologists, gladiators, temple priests, oil lamps in a tomb, sand and stone, stones and sand,
        a caravan of camels, a camel, pyramid, ruin, column, columns, pillars, broken pillars, dust and
        sand, sand and dust, cactuses, vipers, explorers digging, amphorae, sandcastles, marble ruins,
        ruins in the sand, sand as far as the eye can see, dune, palm, antique statues, saltbush, dry
        bushes, hot wind, sand, dunes, sand dunes, broken columns, ruined columns, stone columns, pillars
        of sandstone, pyramids, sphinxes, obelisks, hieroglyphs, temple walls, camels, palm trees, cacti,
        cactus, tumbleweed, scorpions, rubble, dust, ruins, crumbling walls, ruined arches, fallen
        statues, mummies, sarcophagi, tombs, sandstone blocks, sandstone walls, rolling dunes, yellow
        sand, drifting sand, hot sand, golden sand, desert sand, caravans, nomads, dry earth, cracked
        earth, ancient columns, ancient stones, temples, ancient temples, old pillars, toppled pillars,
        rocks, weathered stones, fallen pillars, relics, artefacts, pharaohs, scarabs, bones in the sand,
        crumbled arches, a sphinx, desert rocks, boulders, sandy ground, sandy floors, ancient carvings,
        Roman columns, clay tablets, vultures, rattlesnakes, dust devils, lizards, ancient tombs, a lost
        temple, adobe walls, mud bricks, sand hills*, ruined pillars*, desert stones*, temple columns*,
        sandstone pillars*, ancient walls*, sand ripples*, desert winds*, ruined walls*, half-buried
        columns*, crumbling pillars*, Egyptian statues*, sand banks*, dusty stones*, pyramids and
        sphinxes*, camel caravans*, sand underfoot*, dunes of sand*, ancient rubble*, temple ruins in
        sand*"""),
)

ICE = LandWords(
    names=words("""
        Norway, Finland, Canada in winter, Patagonia, the Titanic's iceberg, Frozen, the Yukon,
        Spitsbergen, Disney's Frozen, Snowpiercer, Christmas, the Ice Queen, the Bering Strait, Chamonix,
        the Matterhorn, Antarctica, the Arctic, Siberia, Narnia, Arendelle, Greenland, Iceland, the North
        Pole, the South Pole, Lapland, Svalbard, Alaska, the Himalayas, Hoth, Winterfell, Elsa's ice
        castle, the Snow Queen's palace, Skyrim, Everest, Jotunheim, the Ice Age, the Arctic Circle*, the
        Antarctic ice*, the Snow Queen's hall*, the frozen North*, Santa's village, the Alps in winter"""),
    places=words("""
        igloo village, penguin colony, snow globe, frozen world, fairy tale castle, king's hall, white
        castle, white palace, glass palace, vault, royal palace, ice tower, ice arena, skating rink, snowy
        place, snowy world, icy place, ice wall maze, frozen maze, cold room, glacier valley, ice house,
        ice palace, palace, ice castle, castle, glacier, snow field, tundra, ice cave, igloo, iceberg, ice
        cathedral, ice hall, throne room, frozen lake, ice rink, crystal palace, crystal cavern, ice
        fortress, citadel, icefall, winter wonderland, ski resort, ice shelf, snow fort, ice hotel, ice
        maze, snow palace, frost hall, ice labyrinth, kingdom of ice, ice kingdom, cathedral, royal hall,
        ballroom, fjord, frozen palace, frozen castle, frozen hall, frozen cathedral, snow castle, ice
        temple, ice world, ice city, frozen city, snow maze, snowy mountain, ice sheet, palace of ice,
        palace of snow, castle of ice, cathedral of ice, hall of crystals, frozen wasteland, frozen sea,
        snow cave, ice tunnel, ice corridor, ice cavern, crystal cave, crystal castle, winter palace,
        winter castle, frost giant's hall, fortress, keep, snowy village, ice garden, frozen garden,
        frozen forest, winter forest, ski slope, snow-covered street, ice field, freezer, frozen planet,
        chateau, snow kingdom, Eispalast, palais de glace, polar base, palacio de hielo, Schnee und Eis,
        winter, land of snow, ice desert, snowscape*, icescape*, frozen palace hall*, snow hall*,
        snowfield*, frozen kingdom*, ice chamber*, crystal hall*, ice court*, frozen citadel*, snowland*,
        ice caverns*, crystal fortress*, winter kingdom*, winterland*, snow cathedral*, glacier cave*,
        icehouse*, ice queen's palace*, arctic palace*, frozen cavern*, castle in the snow*"""),
    traits=words("""
        snowier, iced-over, frozen-up, snow-packed, frosted-over, ice-made, made of ice, made of snow,
        kingly, queenly, arcticlike, icy, frozen, snowy, frosty, wintry, glacial, arctic, polar,
        crystalline, cold, freezing, chilly, frigid, chill, snow-covered, ice-covered, snowbound, iced,
        frosted, subzero, crystal, glassy, ice-blue, antarctic, boreal, nordic, icebound, snow-white,
        frostbitten, wintery, palatial, regal, royal, ice-carved, snow-clad, snow-capped, shivering,
        winter, ice-cold, freezing cold, frost-covered, glaciated, below-zero, ice-walled, alpine, hoary,
        snowed-in, snow-filled, frost-rimed, ice-bound, ice, snow, Siberian, frozen-over, bitterly cold,
        cold blue, slippery, ice-encrusted, thawing, castle-like, frozen solid, snow-blown, ice-clad*,
        snow-laden*, frost-bound*, ice-glazed*, ice-capped*, snow-dusted*, iciest*, frostlike*,
        snow-swept*, ice-crusted*, deep-frozen*, freezing-cold*, snow-buried*, crystallized*, frozen and
        icy*, winter-bound*, coldest*"""),
    features=words("""
        skiers, skating, ice skaters, hockey, sleds, a yeti, a sleigh, Christmas trees, glacier, icicle,
        snowflake, crystal, iceberg, snowman, penguin, walls of snow, ice all around, snow everywhere,
        white snow, white ice, ice and frost, frost and snow, ice cubes, shimmering ice, knights of ice, a
        frozen throne, frozen mirrors, royal banners of frost, snowstorms long ago, skis, igloos,
        mountains of snow, freezing water, snowy roofs, ice, snow, icicles, frost, snowflakes, ice walls,
        crystal pillars, ice columns, frozen fountains, snowdrifts, ice crystals, glacier walls, penguins,
        polar bears, snowmen, sledges, permafrost, hail, ice blocks, towers of ice, crystal chandeliers,
        blue ice, packed snow, powder snow, frozen towers, turrets of ice, icy walls, icy floors, frozen
        walls, walls of ice, ice sculptures, ice pillars, frozen waterfalls, snowy ground, deep snow,
        crystals, blue crystals, snow on the ground, snowballs, ice floes, reindeer, huskies, crystal
        walls, glaciers, cold blue walls, ice towers, frozen turrets, shards of ice, ice spires, frost
        patterns, frozen columns, thick ice, slippery ice, crystal arches, ice arches, seals, walruses,
        mammoths, snow piles, ski tracks, frozen statues, fresh snow, slush, ice bricks, frozen water, a
        frozen river, a throne of ice, snowy peaks, northern cold, snowbanks*, ice shards*, snow
        crystals*, frosty pillars*, icy towers*, icebergs*, frozen arches*, snow walls*, crystal columns*,
        glacial walls*, ice floors*, frost flowers*, frozen spires*, crystal towers*, ice chandeliers*,
        snow and ice*, icy columns*, snow heaps*, a crust of ice*, frozen pillars*, crystals of ice*"""),
)

CITY = LandWords(
    names=words("""
        Bangkok, Taipei, Mumbai, Moscow, Toronto, Frankfurt, San Francisco, Broadway, Wall Street,
        Piccadilly Circus, GTA, Deus Ex, Metropolis, Mega-City, Silicon Valley, Hollywood, Tokyo 2077, LA,
        Detroit, Ginza, Busan, Mumbai's streets, Tokyo, Shinjuku, Shibuya, Hong Kong, Times Square,
        Manhattan, New York, Las Vegas, Seoul, Shanghai, Osaka, Singapore, Blade Runner, Tron, Cyberpunk
        2077, Neo-Tokyo, Los Angeles, Megacity One, Akihabara, Kowloon, Coruscant, Chicago, Dubai, London,
        Paris, Berlin, NYC, Gotham, Ghost in the Shell, Akira, the Matrix, cyber Tokyo*, downtown Tokyo*,
        Neo-Shanghai*, Manhattan streets*, New York City*"""),
    places=words("""
        crowded city street, bus stop, motel, bar, club, disco, casino, cinema, airport, shopping mall,
        arcade hall, rooftop, penthouse, office, tower block, apartment block, metro station, tunnel of
        neon, cyberpunk world, hacker den, server farm, parking lot, neon hall, neon bar, neon road,
        intersection, town centre, inner city, industrial zone, factory, supermarket, cybercity, neon
        world, neon place, urban place, hologram maze, city, neon city, metropolis, megacity, downtown,
        street, alley, avenue, boulevard, city center, skyscraper canyon, business district, shopping
        district, Chinatown, arcade, highway, subway, uptown, city block, urban jungle, skyline,
        cityscape, backstreet, street crossing, high-rise district, tech hub, spaceport, cyber city, mall,
        town, slum, parking garage, futuristic city, neon street, neon alley, city street, side street,
        big city, sci-fi city, road, future city, electric city, concrete jungle, neon district, neon
        boulevard, neon maze, neon corridor, city centre, cyberpunk city, cyberpunk street, cyberpunk
        alley, modern city, industrial district, red light district, suburb, smart city, robot city,
        hologram city, neon arcade, train station, overpass, neon metropolis, utopia, dystopia, space
        colony, computer world, virtual world, cyberspace, simulation, neon grid, urban canyon, garage,
        casino strip, neon garden, neon palace, neon temple, neon castle, neon desert, Stadt, ville,
        ciudad, Neonstadt, crowded market street, harbour city, urban sprawl, city of light, financial
        district, neighbourhood, cyberscape*, neonscape*, neon town*, megalopolis*, city district*, urban
        street*, neon avenue*, streetscape*, city alley*, cyber district*, urban district*, downtown
        streets*, neon streets*, city avenue*, cybertown*, city road*, neon backstreet*, skyscraper city*,
        techno city*, high-tech city*, neon lane*, cyberpunk metropolis*, cityside*"""),
    traits=words("""
        neon-glow, cyber-gothic, citified, computer-generated, electrical, hyperurban, skyscraper,
        robot-built, wired, cabled, neon, cyberpunk, futuristic, urban, electric, holographic, high-tech,
        hi-tech, sci-fi, synthwave, vaporwave, digital, retrowave, dystopian, neon-lit, metropolitan,
        robotic, LED-lit, fluorescent, pink and cyan, magenta, chrome, modern, industrial, techno,
        virtual, eighties, 80s, outrun, bustling, crowded, ultramodern, cybernetic, neon-soaked, built-up,
        neon-coloured, neon pink, neon-drenched, neon-filled, populous, asphalt, concrete, towering,
        high-rise, skyscraping, computerised, technological, advanced, electronic, glitchy, ray-traced
        neon, ad-covered, hologram-filled, overpopulated, billboard-covered, city-like, postmodern,
        steel-and-glass, purple neon, laser-lit, streetwise, mechanised, capitalist, neon-bright*,
        neon-washed*, hyper-modern*, techno-futuristic*, neon-tinted*, skyscraper-filled*, cyber*,
        neon-glowing*, urbanised*, retro-futuristic*, tech-heavy*, electrified*, hologram-lit*, cybernetic
        neon*, futuristic neon*, neonlike*"""),
    features=words("""
        hacker screens, a DJ, skyscraper, hologram, robot, neon light, neon sign, neon tube, taxi,
        billboard, motorcycles, police sirens, electronic music, electricity, high towers of glass, towers
        and traffic, flickering neon, cyberware, a monorail, a spaceship, a subway train, screens, shops
        and bars, cables, antennas, vending robots, crowds of people, busy people, pedestrians, chrome and
        glass, steel and concrete, lamps and wires, neon lights, neon signs, neon tubes, billboards,
        skyscrapers, holograms, flying cars, LED screens, traffic, taxis, robots, androids, concrete
        towers, glass towers, asphalt, drones, vending machines, lasers, office blocks, high-rises, pink
        neon, glowing signs, advertisements, crosswalks, cyborgs, electric wires, circuit boards, neon,
        cars, buses, neon billboards, tall buildings, office buildings, apartment blocks, streets, city
        lights, traffic lights, pavement, sidewalks, shop windows, pink and blue neon, glowing neon tubes,
        video screens, huge screens, hovercars, monorails, spaceships, trains, skyscrapers of glass, steel
        towers, hologram ads, street signs, crowds, hackers, ramen stalls, electric signs, purple neon,
        cyan neon, computers, satellite dishes, server racks, elevators, parked cars, motorbikes, metal
        walls, glowing wires, karaoke bars, graffiti, fluorescent tubes, LED strips, pixel signs, concrete
        walls, neon letters*, neon tubing*, neon strips*, hologram signs*, skyscraper towers*, giant
        billboards*, LED billboards*, flying taxis*, neon adverts*, street traffic*, city towers*, neon
        shop signs*, holographic ads*, urban towers*, glowing billboards*, electric lights*, cyber
        billboards*, neon arrows*, robots and drones*, hover traffic*"""),
)

LAND_WORDS = (GARDEN, DESERT, ICE, CITY)
