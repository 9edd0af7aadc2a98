/* What functions return (in sinr.h), and numbers that everything shares. */
#ifndef SINR_STATUS_H
#define SINR_STATUS_H

#include "../sinr.h"

#define SINR_SAMPLE_MAX 8191      /* bound of a plane sample */
#define SINR_WEIGHT_MAX (1 << 18) /* bound of a predicted weight and of a residual */
#define SINR_STEP_MAX 8192        /* bound of the quantiser step */
#define SINR_UNIT 8               /* samples of a unit, per side */
#define SINR_BLOCK 32             /* samples of a block, per side */
#define SINR_SIZES 3              /* cell sizes: 8 << index */
#define SINR_MAGNITUDES 16        /* symbols of a magnitude, the last one an escape */
#define SINR_ESCAPE (SINR_MAGNITUDES - 1)
#define SINR_AXIS_TRANSFORMS 6 /* transforms of one axis of a cell's residual */
#define SINR_TRANSFORMS (SINR_AXIS_TRANSFORMS * SINR_AXIS_TRANSFORMS) /* that times vertical, plus horizontal */

/* Sign hiding: magnitudes of a group that sum to enough tell a sign. */
#define SINR_GROUP 16
#define SINR_ENOUGH 4

#endif
