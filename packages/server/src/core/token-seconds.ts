/** One week: for no longer a connection token lets connections begin. */
export const longestTokenSeconds = 604_800;
