/** 'abort' = the object is reset at a call; 'throw' = a defect, whose text must not get out. */
export type Breakage = 'abort' | 'throw' | null
