/* Codebooks: FORMAT.md, section 12. */
#ifndef SINR_CODEBOOK_H
#define SINR_CODEBOOK_H

#include "entropy.h"
#include "prediction.h"
#include "restoration.h"

#include <stdint.h>

struct sinr_codebook {
    uint8_t id[4];
    sinr_entropy *entropy;
    sinr_predictor *predictors[SINR_SIZES];
    sinr_restorer *restorer;
};

#endif
