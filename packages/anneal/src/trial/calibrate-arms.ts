import type { Measurement } from '../measurement/measurement.ts';
import { calibrate, raisedMinimumEffect, smallestProvableEffect, type Noise } from './calibrate.ts';
import { compareArms, type Bench } from './compare-arms.ts';
import { learnMasks, learnOrderFreeRequests } from './equality.ts';
import { leanTo } from './lean-to-changes.ts';
import { routeGroup, statementGroup, type TriedChange } from './planned-change.ts';
import { stepIsOfRoute } from './route-of-step.ts';
import type { Mask, NoiseFloor, TrialDesign } from './trial.ts';

/** What the machine and the target show when nothing was changed: the ruler of every trial that follows. */
export interface Calibration {
  readonly noise: readonly Noise[];
  readonly masks: readonly Mask[];
  readonly orderFreeRequests: ReadonlySet<string>;
  readonly floor: NoiseFloor;
  /** The noise of slices of one process, between which a policy would be switched: measured when it is first asked for. */
  readonly toggledNoise: () => Promise<readonly Noise[]>;
}

/**
 * Rounds of baseline against baseline: as many as the first look of a trial will have.
 *
 * Their traffic leans to everything that any of the changes touches. A trial leans to fewer things and therefore, as a rule, at least
 * as far to each, so it meets at most the noise seen here; in ordinary traffic a rare statement would show none at all.
 * At least two requests of three are ordinary traffic here too, which is what the guards' noise is made of.
 */
export async function calibrateArms(
  bench: Bench,
  request: {
    readonly baseDatabase: string | null;
    readonly changes: readonly TriedChange[];
    readonly design: Pick<TrialDesign, 'looks' | 'nominalLevel' | 'minimumEffect' | 'sliceMs'>;
    readonly measurement: Measurement;
  },
): Promise<Calibration> {
  const { design, changes, measurement } = request;
  const { workload } = leanTo(changes, { ...bench, ...design, measurement });
  const withItself = (label: string, toggled?: readonly string[]) =>
    compareArms(
      { ...bench, workload },
      {
        label,
        baseDatabase: request.baseDatabase,
        standing: [],
        changes: [],
        groups: changes.flatMap(statementGroup),
        routeGroups: changes.flatMap(routeGroup),
        mostRounds: design.looks[0]!,
        refuses: changes.some(({ remedy }) => remedy.refuses === true),
        ...(toggled === undefined ? {} : { toggled }),
        isDecided: () => false,
      },
    );
  let toggledNoise: Promise<readonly Noise[]> | null = null;
  const measureToggledNoise = async () => {
    bench.context.progress.note('Comparing one process with itself: the noise floor of what is switched off and on in it');
    return calibrate((await withItself('calibration of toggling', [])).rounds);
  };
  const compared = await withItself('calibration');
  const noise = calibrate(compared.rounds);
  const { baseline, candidate } = compared.answers;
  const masks = learnMasks(baseline, candidate);
  const steps = new Set(baseline.map((answer) => answer.request));
  return {
    noise,
    toggledNoise: () => (toggledNoise ??= measureToggledNoise()),
    masks,
    orderFreeRequests: new Set([...learnOrderFreeRequests(baseline, candidate), ...stepsWithoutOrder([...steps], measurement)]),
    floor: {
      rounds: compared.rounds,
      metrics: noise.map((figure) => ({
        metric: figure.metric,
        noise: figure.effectiveDeviation,
        bias: figure.bias.point,
        smallestProvable: smallestProvableEffect(figure, design.looks.at(-1)!, {
          ...design,
          minimumEffect: raisedMinimumEffect(design.minimumEffect, figure.bias),
        }),
      })),
      // A mask of a whole body is no mask: such requests are reported as unknown by every trial.
      masks: masks.filter(({ path }) => path !== '$'),
      reservations: compared.reservations,
    },
  };
}

/** Steps whose route runs a statement of several rows that nothing orders: SQL leaves their order to the plan. */
function stepsWithoutOrder(steps: readonly string[], measurement: Measurement): readonly string[] {
  const { 'agent.routes': routes = [], 'postgres.statements': statements = [] } = measurement.observations;
  const unordered = new Set(
    statements
      .filter(({ shape, rows, calls }) => shape?.kind === 'select' && shape.orderBy.length === 0 && rows > calls)
      .map((statement) => statement.id),
  );
  const open = routes.filter((route) => route.statements.some((statement) => unordered.has(statement.statementId)));
  return steps.filter((step) => open.some((route) => stepIsOfRoute(step, `${route.method} ${route.route}`)));
}
