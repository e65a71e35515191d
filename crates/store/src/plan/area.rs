//! Boxes on the earth, which indexes know how to look into.

use basalt_base::GeoPoint;
use std::f64::consts::FRAC_PI_2;

/// Degrees by which boxes are made larger than computed, against rounding.
pub const MARGIN: f64 = 1e-7;

/// A box on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its southern edge, perhaps beyond the pole.
    pub south: f64,
    /// Its northern edge, perhaps beyond the pole.
    pub north: f64,
    /// West and east; `None` for all around.
    pub longitudes: Option<(f64, f64)>,
}

impl Area {
    /// The box between two corners, with the margin.
    pub fn between(south_west: GeoPoint, north_east: GeoPoint) -> Self {
        Self {
            south: south_west.latitude - MARGIN,
            north: north_east.latitude + MARGIN,
            longitudes: Some((south_west.longitude - MARGIN, north_east.longitude + MARGIN)),
        }
    }

    /// A box that holds every point within the distance.
    pub fn around(center: GeoPoint, radians: f64) -> Self {
        let lat = center.latitude.to_radians();
        let degrees = radians.to_degrees() + MARGIN;
        let (south, north) = (center.latitude - degrees, center.latitude + degrees);
        let mut longitudes = None;
        // Around a pole every longitude is near.
        if south > -90.0 && north < 90.0 && radians < FRAC_PI_2 {
            let reach = (radians.sin() / lat.cos()).min(1.0).asin().to_degrees() + MARGIN;
            let (west, east) = (center.longitude - reach, center.longitude + reach);
            // Across the antimeridian the box would be two; the latitudes alone narrow enough.
            if west > -180.0 && east < 180.0 {
                longitudes = Some((west, east));
            }
        }
        Self {
            south,
            north,
            longitudes,
        }
    }
}
