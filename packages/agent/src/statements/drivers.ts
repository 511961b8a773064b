/** Prototypes of the drivers the application has loaded, one copy or several, for policies that act on their calls. */
export class Drivers {
  readonly pgPools = new Set<object>();
  readonly pgClients = new Set<object>();
}
