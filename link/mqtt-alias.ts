import type { IPublishPacket } from 'mqtt-packet'
import { TOPIC_ALIAS_MAX } from './limits.ts'
import type { Flaw } from './mqtt-form.ts'
import { REASON } from './mqtt-reason.ts'

/** Topic aliases of one connection [MQTT-3.3.2-7]: the topic of a PUBLISH, or what is wrong with it (3.3.2.3.4). */
export function openAliases(): (packet: IPublishPacket) => string | Flaw {
  const aliases = new Map<number, string>()
  return ({ topic: named, properties }) => {
    const alias = properties?.topicAlias
    if (/[+#]/.test(named)) return { code: REASON.topicNotValid, text: 'a topic name has no wildcards [MQTT-3.3.2-2]' }
    if (alias === undefined) {
      if (named !== '') return named
      return { code: REASON.protocolError, text: 'a PUBLISH names its topic or an alias' }
    }
    if (alias < 1 || alias > TOPIC_ALIAS_MAX) {
      return { code: REASON.topicAlias, text: `topic aliases are 1 to ${TOPIC_ALIAS_MAX} [MQTT-3.3.2-9]` }
    }
    if (named !== '') aliases.set(alias, named)
    const topic = aliases.get(alias)
    return topic ?? { code: REASON.protocolError, text: `topic alias ${alias} was never set [MQTT-3.3.2-7]` }
  }
}
