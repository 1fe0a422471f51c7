/** Questions about configuration that clients ask before or beside their work. Each has one true answer here. */
import { ownerElements } from './buckets.ts'
import { type Call, type Deps, type Handler, refuseBody, refused, xmlReply } from './call.ts'
import { type Reply, refuse, type S3Code } from './refusal.ts'
import type { BUCKET_PROBES, OBJECT_PROBES } from './route.ts'
import type { XmlElements } from './xml-out.ts'

type BucketProbe = (typeof BUCKET_PROBES)[number]
type ObjectProbe = (typeof OBJECT_PROBES)[number]

/** The owner may do everything and nobody else anything. */
function acl(account: string): Reply {
  const grantee: XmlElements = ownerElements(account)
  return xmlReply('AccessControlPolicy', [
    ['Owner', grantee],
    [
      'AccessControlList',
      [
        [
          'Grant',
          [
            ['Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"', grantee],
            ['Permission', 'FULL_CONTROL'],
          ],
        ],
      ],
    ],
  ])
}

/** Every object is encrypted with AES-256 before it leaves the gateway. */
const ENCRYPTION: XmlElements = [
  [
    'Rule',
    [
      ['ApplyServerSideEncryptionByDefault', [['SSEAlgorithm', 'AES256']]],
      ['BucketKeyEnabled', false],
    ],
  ],
]

/** An empty configuration, a document, or the error that says that there is none. */
const BUCKET: Readonly<Record<Exclude<BucketProbe, 'acl'>, S3Code | readonly [root: string, elements: XmlElements]>> = {
  accelerate: ['AccelerateConfiguration', []],
  cors: 'NoSuchCORSConfiguration',
  encryption: ['ServerSideEncryptionConfiguration', ENCRYPTION],
  lifecycle: 'NoSuchLifecycleConfiguration',
  logging: ['BucketLoggingStatus', []],
  notification: ['NotificationConfiguration', []],
  'object-lock': 'ObjectLockConfigurationNotFoundError',
  ownershipControls: 'OwnershipControlsNotFoundError',
  policy: 'NoSuchBucketPolicy',
  policyStatus: 'NoSuchBucketPolicy',
  publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
  replication: 'ReplicationConfigurationNotFoundError',
  requestPayment: ['RequestPaymentConfiguration', [['Payer', 'BucketOwner']]],
  tagging: 'NoSuchTagSet',
  versioning: ['VersioningConfiguration', []],
  website: 'NoSuchWebsiteConfiguration',
}

const isBucketProbe = (probe: string): probe is Exclude<BucketProbe, 'acl'> => Object.hasOwn(BUCKET, probe)

export const probeBucket: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  if (!(await deps.store.headBucket(call.tenant, call.bucket))) return refuse('NoSuchBucket')
  const { probe } = call.route
  if (probe === 'acl') return acl(call.tenant.account)
  if (!isBucketProbe(probe)) return refuse('NotImplemented')
  const answer = BUCKET[probe]
  return typeof answer === 'string' ? refuse(answer, undefined, { BucketName: call.bucket }) : xmlReply(...answer)
}

function objectAnswer(call: Call): Reply {
  const probe: ObjectProbe | string = call.route.probe
  if (probe === 'acl') return acl(call.tenant.account)
  return probe === 'tagging' ? xmlReply('Tagging', [['TagSet', null]]) : refuse('NoSuchObjectLockConfiguration')
}

export const probeObject: Handler = async (deps: Deps, call: Call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const found = await deps.store.head(call.tenant, call.bucket, call.key)
  return found.is === 'found' ? objectAnswer(call) : refused(found)
}
