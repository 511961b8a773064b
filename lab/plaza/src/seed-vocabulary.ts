/** What the seeded members write about. */
export const words = `amber anchor apple arrow autumn basket beacon bitter blossom border branch bread breeze bridge bright broken
bronze brook bucket button cabin calm candle canvas canyon carpet castle cedar chalk chapel cherry circle clear cliff clock cloud
clover coast cobalt cold copper coral corner cotton cradle creek crystal current curtain daisy dark dawn desert distant dollar
dragon drift dusk eagle early earth echo ember empty engine evening fabric falcon feather fence fern field finger flame flint
flower forest fossil fountain fresh frost garden garlic gentle ginger glacier glass golden grain granite grape gravel green grove
guitar hammer happy harbour harvest hazel heavy helmet heron hollow honey horizon hunter indigo island ivory jacket jasmine
journey jungle kettle kind kitchen ladder lagoon lantern laurel lavender leather lemon letter lilac linen little lively lobster
lost lovely magnet maple marble market meadow mellow melody middle mirror mixture morning mountain narrow nettle noble number
oak ocean olive onion orange orchard oyster paddle palace paper parsley pasture pebble pencil pepper picture pillow pine planet
plaster plum pocket pottery prairie quarry quiet quilt rabbit ragged rainbow raven ribbon ripple river rocket rough round saddle
saffron salmon sandal sapphire season shadow shallow shelter silver simple sketch slow small smooth sour sparrow spider spring
square stable steady stone storm stream sturdy summer sunset swallow tangle temple tender thistle thunder timber tunnel turtle
twilight valley velvet village violet walnut warm water welcome willow window winter wonder yellow zephyr`
  .split(/\s+/)
  .filter((word) => word !== '');

export const topicNames = [
  'Architecture',
  'Baking',
  'Cycling',
  'Drawing',
  'Education',
  'Film',
  'Gardening',
  'History',
  'Infrastructure',
  'Jazz',
  'Kitchens',
  'Literature',
] as const;

export function topicSlug(name: string): string {
  return name.toLowerCase();
}

export const cameras = Array.from({ length: 40 }, (_, index) => `Optika ${String.fromCharCode(65 + (index % 8))}${100 + index}`);
export const mediaTags = words.slice(0, 60);

const beginnings = ['Bar', 'Cor', 'Dun', 'Fal', 'Gren', 'Hal', 'Kel', 'Mor', 'Tren', 'Wex'];
const middles = ['a', 'e', 'ing', 'o', 'un', 'wy'];
const endings = ['bury', 'combe', 'dale', 'ford', 'gate', 'ham', 'mouth', 'stead', 'wick', 'worth'];

/** Places that members mention now and then: what people search for. */
export const places = beginnings.flatMap((first) => middles.flatMap((second) => endings.map((third) => `${first}${second}${third}`)));

export function capitalised(word: string): string {
  return `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
}

const countries = words.slice(0, 30).map((word) => `${capitalised(word)}land`);

/** A place, by its position among all, lies in one country: whoever knows the place knows the country. */
export function countryOf(place: number): string {
  return countries[place % countries.length]!;
}
