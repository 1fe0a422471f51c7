export { createS3Door, type S3DoorOptions } from './door.ts'
