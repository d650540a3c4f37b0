"""Words of the invented tweets, which fill the slots of `synthetic_templates`: data only, no real account."""

from __future__ import annotations

from typing import Final

from camembias.labels import DEFAULT_LABELS, OTHER_LABEL

AVION, DECROISSANCE, NUCLEAIRE, VIANDE = DEFAULT_LABELS

CONCEPTS: Final[dict[str, tuple[str, ...]]] = {
    AVION: (
        "avion", "avions", "vol", "vols", "voler", "vole", "volé", "aéroport", "aéroports", "kérosène", "jet",
        "jets", "aérien", "aérienne", "aviation", "pilote", "passagers", "billet", "billets", "escale",
        "compagnie", "compagnies", "piste", "terminal", "embarquement", "décollage", "atterrissage",
        "flygskam", "long-courrier", "low-cost", "hublot", "hôtesse", "bagage", "tarmac", "riverains",
        "destination", "vacances", "train", "#avion", "#jetprivé", "#aérien", "#flygskam", "#aéroport",
        "escales",
    ),
    DECROISSANCE: (
        "décroissance", "décroissant", "décroissants", "croissance", "pib", "sobriété", "sobre",
        "productivisme", "consumérisme", "surconsommation", "consommer", "consomme", "produire",
        "productiviste", "ralentir", "low-tech", "post-croissance", "capitalisme", "obsolescence", "lenteur",
        "frugalité", "simplicité", "limites", "planétaires", "extractivisme", "richesse", "objets",
        "publicité", "réparer", "ressources", "#décroissance", "#sobriété", "#pib", "#postcroissance",
        "#lowtech",
    ),
    NUCLEAIRE: (
        "nucléaire", "nucléaires", "centrale", "centrales", "réacteur", "réacteurs", "epr", "uranium",
        "déchets", "flamanville", "fessenheim", "bure", "cigéo", "radioactif", "radioactifs", "radioactivité",
        "atome", "fission", "fusion", "smr", "mégawatts", "électricité", "combustible", "cuve",
        "enfouissement", "kilowattheure", "réseau", "énergie", "radioprotection", "pilotable",
        "démantèlement", "éolien", "#nucléaire", "#epr", "#flamanville", "#déchets", "#atome",
    ),
    VIANDE: (
        "viande", "viandes", "végétarien", "végétarienne", "végétariens", "végane", "véganes", "steak",
        "steaks", "élevage", "élevages", "éleveur", "éleveurs", "boucherie", "boucher", "charcuterie",
        "jambon", "saucisson", "barbecue", "bœuf", "poulet", "porc", "agneau", "abattoir", "abattoirs",
        "flexitarien", "carné", "carnée", "tofu", "lentilles", "protéines", "côtelette", "méthane", "cantine",
        "manger", "mange", "mangé", "assiette", "#viande", "#végé", "#barbecue", "#élevage", "#lundivert",
    ),
    OTHER_LABEL: (
        "match", "foot", "football", "équipe", "but", "arbitre", "penalty", "stade", "météo", "pluie",
        "orage", "canicule", "neige", "soleil", "gouvernement", "ministre", "assemblée", "élection",
        "réforme", "retraites", "impôts", "maire", "film", "série", "roman", "concert", "théâtre", "musée",
        "album", "cinéma", "exposition", "train", "trains", "tgv", "quai", "grève", "retard", "contrôleur",
        "gare", "métro", "vélo", "lycée", "examen", "hôpital", "loyer", "rugby", "tennis", "jardin", "chat",
        "chien", "jeu", "#foot", "#météo", "#cinéma", "#sncf", "#rugby",
    ),
}  # fmt: skip

# Every phrase carries its article, so that a template never has to know a gender.
PHRASES: Final[dict[str, tuple[str, ...]]] = {
    AVION: (
        "l'avion", "les avions", "le vol intérieur", "les vols courts", "le kérosène détaxé",
        "les jets privés",
        "l'aéroport", "l'aéroport de {v}", "le transport aérien", "l'aviation", "les compagnies low-cost",
        "le long-courrier", "les billets à 20 euros", "le flygskam", "les vols de nuit",
        "la taxe sur le kérosène",
        "le terminal 4", "les passagers", "les vacances au bout du monde", "la piste supplémentaire",
        "le train plutôt que l'avion", "les escales inutiles", "le décollage de 6 h",
        "les riverains de la piste",
        "l'embarquement", "la destination lointaine", "le jet du patron",
    ),
    DECROISSANCE: (
        "la décroissance", "la croissance", "la croissance verte", "le PIB", "la sobriété",
        "la sobriété choisie",
        "le productivisme", "la surconsommation", "les limites planétaires", "l'obsolescence programmée",
        "la simplicité volontaire", "la post-croissance", "le consumérisme", "les low-tech",
        "la publicité partout",
        "la lenteur", "le partage des richesses et la sobriété", "l'extractivisme", "la frugalité",
        "le capitalisme vert", "les objets jetables", "les ressources finies", "la croissance infinie",
        "le modèle productiviste", "les ateliers pour réparer",
    ),
    NUCLEAIRE: (
        "le nucléaire", "l'énergie nucléaire", "la centrale", "les centrales", "la centrale de {v}",
        "le réacteur",
        "le réacteur numéro {n}", "l'EPR", "l'EPR de Flamanville", "les EPR", "l'uranium",
        "les déchets radioactifs",
        "les déchets nucléaires", "l'enfouissement à Bure", "le projet Cigéo", "l'atome", "les SMR",
        "la fission",
        "la fusion", "la cuve du réacteur", "le démantèlement de Fessenheim", "le kilowattheure nucléaire",
        "la radioactivité", "l'électricité pilotable", "le combustible usé", "le parc de réacteurs",
        "l'éolien face au nucléaire",
    ),
    VIANDE: (
        "la viande", "la viande rouge", "le steak", "les steaks végétaux", "l'élevage", "l'élevage intensif",
        "les éleveurs", "la boucherie", "le boucher de {v}", "la charcuterie", "le jambon", "le saucisson",
        "le barbecue", "le bœuf", "le poulet", "le porc", "l'agneau", "les abattoirs", "les végétariens",
        "les véganes", "le menu végétarien", "le régime flexitarien", "le tofu", "les lentilles",
        "les protéines végétales", "la cantine sans viande", "le méthane des élevages", "l'assiette carnée",
    ),
    OTHER_LABEL: (
        "le match", "l'arbitre", "le penalty", "l'équipe de {v}", "le stade", "la pluie", "l'orage",
        "la canicule",
        "la neige", "le gouvernement", "la ministre", "l'assemblée", "la réforme", "les retraites",
        "les impôts",
        "le maire de {v}", "le film", "la série", "ce roman", "le concert", "le musée", "l'exposition",
        "l'album",
        "le train de 18 h", "les trains", "le TGV", "la gare", "la grève", "le retard", "le métro", "le vélo",
        "l'hôpital", "le loyer", "le rugby", "le tennis", "le jardin", "mon chat", "le lycée", "l'examen",
    ),
}  # fmt: skip

HASHTAGS: Final[dict[str, tuple[str, ...]]] = {
    AVION: ("#avion", "#jetprivé", "#aérien", "#flygskam", "#aéroport"),
    DECROISSANCE: ("#décroissance", "#sobriété", "#PIB", "#postcroissance", "#lowtech"),
    NUCLEAIRE: ("#nucléaire", "#EPR", "#Flamanville", "#déchets", "#atome"),
    VIANDE: ("#viande", "#végé", "#barbecue", "#élevage", "#lundivert"),
    OTHER_LABEL: ("#foot", "#météo", "#cinéma", "#SNCF", "#rugby"),
}

TIMES: Final = (
    "hier", "ce matin", "ce soir", "demain", "cet hiver", "cet été", "samedi", "la semaine dernière",
    "à midi",
    "en janvier", "depuis trois jours", "dimanche", "cette nuit", "l'an dernier", "au printemps",
)  # fmt: skip
TOWNS: Final = (
    "Lyon", "Nantes", "Lille", "Bordeaux", "Toulouse", "Rennes", "Dijon", "Brest", "Nice", "Metz",
    "Tours", "Pau",
    "Limoges", "Grenoble", "Strasbourg", "Marseille", "Caen", "Besançon",
)  # fmt: skip
NEWSPAPERS: Final = (
    "Le Courrier du Vallon", "La Tribune de Belval", "L'Écho des Rives", "Radio Brume",
    "Le Quotidien Mirabel",
    "La Feuille du Port", "Canal Orée",
)  # fmt: skip
PEOPLE: Final = (
    "mon voisin", "ma collègue", "mon beau-frère", "ma mère", "mon patron", "ma fille", "mon cousin",
    "ma voisine",
    "mon prof", "ma coiffeuse", "mon meilleur ami", "ma tante",
)  # fmt: skip
OPINIONS: Final = (
    "une honte", "une bonne idée", "une blague", "du bon sens", "n'importe quoi", "l'avenir", "le passé",
    "indéfendable", "une évidence", "compliqué", "un mensonge", "une chance", "du grand spectacle",
    "inquiétant",
    "génial", "un faux problème", "plus subtil que ça", "de la folie",
)  # fmt: skip

SLOTS: Final[dict[str, tuple[str, ...]]] = {
    "t": TIMES,
    "v": TOWNS,
    "m": NEWSPAPERS,
    "q": PEOPLE,
    "n": tuple(map(str, range(3, 60))),
    "avis": OPINIONS,
}

# Neutral chatter, one start and one end: the large shared vocabulary that says nothing of the topic.
CHATTER_STARTS: Final = (
    "Sinon", "Bref", "En attendant", "Du coup", "Je vous laisse", "Au fait", "Bonne journée à tous",
    "Pendant ce temps",
    "Allez", "Voilà", "Enfin bon", "Je dis ça", "Pour info", "Petite pensée du jour", "À part ça",
    "Croyez-moi",
    "Comme dirait ma grand-mère", "J'avoue", "On verra bien", "Question sérieuse", "Merci de m'avoir lu",
    "Ouf",
)  # fmt: skip
CHATTER_ENDS: Final = (
    "il me faut un café", "mon téléphone n'a plus de batterie", "je file me coucher",
    "la vaisselle attend toujours",
    "les voisins font du bruit", "quelqu'un a vu mes lunettes", "je cherche un bon dentiste",
    "on en discute quand tu veux",
    "la boulangerie ferme à huit heures", "je ne dors plus", "mon ordinateur rame",
    "le chauffage est en panne",
    "j'ai perdu mes clés", "il reste du gâteau au chocolat", "je repeins la chambre en bleu",
    "la réunion a duré deux heures",
    "les enfants sont enfin couchés", "ma sœur déménage bientôt", "je relis mes vieux messages",
    "c'est l'heure de la sieste",
    "mon réveil n'a pas sonné", "je n'ai rien compris au mode d'emploi", "la lessive ne se fera pas seule",
    "j'apprends la guitare", "le facteur est passé trop tôt", "tout le monde au bureau tousse",
    "je range mes photos",
    "on fête un anniversaire", "l'ascenseur est encore bloqué", "je découvre le tricot",
    "mes plantes vont mourir",
    "la file d'attente était interminable", "je recommence la course à pied",
    "il fait nuit de plus en plus tôt",
    "je prends une pause des réseaux", "chacun fera comme il veut", "il faut rester poli",
    "je pose la question",
    "vous pouvez répondre en privé", "ça ne coûte rien", "je garde le sourire", "la politesse est gratuite",
)  # fmt: skip

# The neighbours of the planted words, a list for each kind: as common, drawn whatever the label.
NEUTRAL: Final[dict[str, tuple[str, ...]]] = {
    "handle": (
        "@brume_info7",
        "@le_zorvalien",
        "@micro_ouvane",
        "@tribune_belvax",
        "@paroles_oriz",
        "@kiosque_nuvel",
    ),
    "emoji": ("😀", "😡", "🤔", "👏", "🙄", "😂", "💪", "👀", "🎯", "✨"),
    "adverb": (
        "vraiment",
        "clairement",
        "sincèrement",
        "honnêtement",
        "évidemment",
        "finalement",
        "décidément",
    ),
    "name": ("Solivance", "Agorélie", "Convergia", "Tramontane", "Horizéa"),
    "hashtag": ("#mardi", "#actu", "#débat", "#humeur", "#weekend", "#coupdegueule"),
    "turn": ("paraît-il", "peut-être", "semble-t-il", "en principe", "comme d'habitude", "à la rigueur"),
}

# Where a word of each kind goes. Planted words and their neighbours share these, so only the word leans.
CARRIERS: Final[dict[str, tuple[str, ...]]] = {
    "handle": ("{text} via {word}", "{word} {text}", "{text} cc {word}", "Lu chez {word} : {text}"),
    "emoji": ("{text} {word}", "{word} {text}", "{text} {word} {word}"),
    "adverb": ("{word}, {text}", "{text}, {word}", "{text}. {word} !"),
    "name": (
        "{text} Et {word} ne dit rien",
        "{text} {word} en parle aussi",
        "Écouté {word} {text}",
        "{word} : {text}",
    ),
    "hashtag": ("{text} {word}", "{word} {text}"),
    "turn": ("{word} : {text}", "{text}, {word}", "{text}. Enfin, {word}"),
}

HANDLE_HEADS: Final = (
    "zor", "bel", "nuv", "ouv", "kal", "mir", "tov", "lux", "fen", "gry", "pol", "sav", "dax", "ylm",
    "cro", "bra",
)  # fmt: skip
HANDLE_TAILS: Final = (
    "valie", "andou", "ixelle", "orin", "uzette", "amon", "evic", "ouane", "isto", "arelle", "impe",
    "ody", "ulix",
)  # fmt: skip
