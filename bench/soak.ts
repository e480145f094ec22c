/** Many requests, encrypting and decrypting in turns: the resident memory at the end beside that after the first tenth. */
import { cannon } from './compare.ts'
import { startServer } from './http.ts'
import type { Options, Row } from './measure.ts'
import { rounded, tempFolder, wanted, withEnds } from './measure.ts'
import { decryptOf, encryptOf } from './requests.ts'

const [CONNECTIONS, TENTHS] = [32, 10]
const MOST_GROWTH = 1.1

export function benchSoak({ requests }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const ours = await startServer(tempFolder(onEnd), onEnd)
    const asked = [encryptOf(null), await decryptOf(ours, null)]
    const amount = Math.ceil(requests / TENTHS)
    const [MiB, began]: [number[], number] = [[], performance.now()]
    for (let tenth = 1; tenth <= TENTHS; tenth += 1) {
      const { non2xx, errors } = await cannon(ours, asked, { connections: CONNECTIONS, amount })
      if (non2xx + errors > 0) throw new Error(`${non2xx} were refused, ${errors} failed.`)
      MiB.push(rounded(ours.memoryMiB(), 1))
      console.log(`${tenth * amount} requests, ${Math.round((performance.now() - began) / 1000)} s, ${MiB.at(-1)} MiB`)
    }
    const growth = (MiB.at(-1) ?? Number.NaN) / (MiB[0] ?? Number.NaN)
    return [
      {
        requests: amount * TENTHS,
        'MiB by tenth': MiB.join(' '),
        growth: rounded(growth, 2),
        ...wanted(`growth ≤ ${MOST_GROWTH}`, growth <= MOST_GROWTH),
      },
    ]
  })
}
