import {x} from "express-second-factor"; console.log(x)
